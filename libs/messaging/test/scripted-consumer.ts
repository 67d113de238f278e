/** The whole engine on a scripted log, in a time that goes on only while a test waits; stopped after each test. */
import { afterEach } from '@jest/globals';
import type { Clock } from '../src/consumer/clock.js';
import { ParallelConsumer } from '../src/consumer/parallel-consumer.js';
import type { LogRecord } from '../src/log.js';
import type { GroupPolicy, ParallelConsumerOptions } from '../src/parallel-consumer-options.js';
import { ManualTime } from './manual-time.js';
import { type ScriptedLog, TOPIC } from './scripted-log.js';

export const time = new ManualTime();

const opened: ParallelConsumer[] = [];
afterEach(async () => {
  await time.passing(Promise.all(opened.splice(0).map((consumer) => consumer.stop())));
});

export const consume = async (
  log: ScriptedLog,
  policy: Partial<GroupPolicy> & Pick<GroupPolicy, 'handle'>,
  options: Partial<ParallelConsumerOptions> = {},
  clock: Clock = time.clock,
): Promise<ParallelConsumer> => {
  const bounds = { maxInFlight: 16, maxBufferedRecords: 1_000, maxBufferedBytes: 10_000_000 };
  const consumer = new ParallelConsumer(
    log.asMessageLog(),
    { group: 'group', topics: [TOPIC], ...bounds, onRevoke: 'drain', drainTimeoutMs: 700, ...options },
    { unprocessable: () => Promise.reject(new Error('not expected')), ...policy },
    {},
    clock,
  );
  opened.push(consumer);
  await consumer.start();
  return consumer;
};

export const broken = (retryable: boolean): Error => Object.assign(new Error('broken'), { retryable });
export const byKey = ({ key }: LogRecord): string | null => key?.toString() ?? null;
export const byFunction = (limit: number) => (record: LogRecord) => ({ key: record.headers['function-id'] ?? '', limit });
