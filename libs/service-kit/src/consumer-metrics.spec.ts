import { expect, it } from '@jest/globals';
import { pino } from 'pino';
import { observeConsumers } from './consumer-metrics.js';
import { Metrics } from './metrics.js';

it('a preparation of new partitions that fails is counted and logged, each time', async () => {
  const lines: string[] = [];
  const metrics = new Metrics();
  const observer = observeConsumers(metrics, pino({}, { write: (line) => void lines.push(line) }));
  for (const times of [1, 2]) {
    observer.preparationFailed?.('invoker.trigger', new Error('the log cannot be read back'));
    expect(await metrics.registry.metrics()).toContain(`cf_consumer_preparation_failures_total{group="invoker.trigger"} ${times}`);
  }
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { group: 'invoker.trigger', err: { message: 'the log cannot be read back' } },
    { group: 'invoker.trigger', err: { message: 'the log cannot be read back' } },
  ]);
});
