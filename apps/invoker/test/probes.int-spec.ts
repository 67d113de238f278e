import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BREAKER, type CloudFunction } from '@cf/contract';
import { CustomerEndpoint, eventually } from '@cf/testing';
import { PARTITIONS, RunningInvoker } from './running-invoker.js';

const realSetTimeout = globalThis.setTimeout;
/** Half a minute of an open circuit passes at once; every other time is as it is. */
const withoutOpenTime = ((work: () => void, ms?: number, ...rest: []) =>
  realSetTimeout(work, ms === BREAKER.probeAfterMs ? 1 : ms, ...rest)) as typeof setTimeout;

const SETTING = 'INVOKER_CIRCUIT_STEPS_WAIT_MS';

describe.each([
  ['half a minute', '30000'],
  ['no time', '0'],
])('a step circuit that is half-open and waits %s for triggers', (_name, waitMs) => {
  let invoker: RunningInvoker;
  let endpoint: CustomerEndpoint;
  let cloudFunction: CloudFunction;
  beforeAll(async () => {
    globalThis.setTimeout = withoutOpenTime;
    process.env[SETTING] = waitMs;
    [invoker, endpoint] = await Promise.all([RunningInvoker.start(), CustomerEndpoint.start()]);
    cloudFunction = await invoker.setFunction(await invoker.setApi(await invoker.addOrganization(), endpoint.url));
    endpoint.answer(`/${cloudFunction.endpointUrl}`, () => ({ status: 500 }));
    const steps = Array.from({ length: 20 }, () => invoker.step(cloudFunction));
    await Promise.all(steps.map((step, index) => invoker.send(step, index % PARTITIONS)));
    await Promise.all(steps.map((step) => invoker.resultOf(step)));
    await eventually(async () => expect(await invoker.metric('cf_circuit_state', { lane: 'step', state: 'half_open' })).toBe(1));
    endpoint.answer(`/${cloudFunction.endpointUrl}`, () => ({ status: 200 }));
  });
  afterAll(async () => {
    delete process.env[SETTING];
    globalThis.setTimeout = realSetTimeout;
    await endpoint?.close();
    await invoker?.stop();
  });
  const step = () => invoker.run(invoker.step(cloudFunction));

  if (waitMs === '0') {
    it('takes steps as probes and says so on their results', async () => {
      for (const state of ['half_open', 'half_open', 'closed']) {
        expect(await step()).toMatchObject({ outcome: 'succeeded', circuit: { state } });
      }
      expect((await step()).circuit).toBeNull();
    });
  } else {
    it('lets triggers probe, whose successes let steps through again', async () => {
      const called = endpoint.callsTo(`/${cloudFunction.endpointUrl}`).length;
      expect(await step()).toMatchObject({ failureReason: 'circuit_open', attempts: [], circuit: { state: 'half_open' } });
      expect(endpoint.callsTo(`/${cloudFunction.endpointUrl}`)).toHaveLength(called);
      for (let probe = 0; probe < 3; probe++) {
        expect(await invoker.run(invoker.trigger(cloudFunction))).toMatchObject({ outcome: 'succeeded', circuit: null });
      }
      expect(await step()).toMatchObject({ outcome: 'succeeded', circuit: null });
      expect(await invoker.metric('cf_circuit_changes_total', { lane: 'step', to: 'closed' })).toBe(1);
    });
  }
});
