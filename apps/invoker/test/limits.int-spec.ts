import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CloudFunction, InvocationRequest, RegisteredApi } from '@cf/contract';
import { type CustomerAnswer, CustomerEndpoint, eventually } from '@cf/testing';
import { PARTITIONS, RunningInvoker } from './running-invoker.js';

describe('limits', () => {
  let invoker: RunningInvoker;
  let endpoint: CustomerEndpoint;
  let api: RegisteredApi;
  beforeAll(async () => {
    [invoker, endpoint] = await Promise.all([RunningInvoker.start(), CustomerEndpoint.start()]);
    api = await invoker.setApi(await invoker.addOrganization(), endpoint.url);
  });
  afterAll(async () => {
    await endpoint?.close();
    await invoker?.stop();
  });

  const answering = async (answer: CustomerAnswer, more: Partial<CloudFunction> = {}): Promise<CloudFunction> => {
    const cloudFunction = await invoker.setFunction(api, more);
    endpoint.answer(`/${cloudFunction.endpointUrl}`, () => answer);
    return cloudFunction;
  };
  const sendAll = (requests: readonly InvocationRequest[]): Promise<unknown> =>
    Promise.all(requests.map((request, index) => invoker.send(request, index % PARTITIONS)));
  const runAll = async (requests: readonly InvocationRequest[], timeoutMs?: number) => {
    await sendAll(requests);
    return Promise.all(requests.map((request) => invoker.resultOf(request, timeoutMs)));
  };
  const many = (count: number, make: () => InvocationRequest): InvocationRequest[] => Array.from({ length: count }, make);
  const concurrentMaxOf = ({ endpointUrl }: CloudFunction): number => endpoint.concurrentMaxOf(`/${endpointUrl}`);

  describe('concurrent calls of a function', () => {
    it('steps use all of them and no more', async () => {
      const cloudFunction = await answering({ delayMs: 30 }, { maxConcurrency: 5 });
      const results = await runAll(many(30, () => invoker.step(cloudFunction)));
      expect(results.every(({ outcome }) => outcome === 'succeeded')).toBe(true);
      expect(concurrentMaxOf(cloudFunction)).toBe(5);
    });

    it('triggers leave one in five to steps', async () => {
      const cloudFunction = await answering({ delayMs: 30 }, { maxConcurrency: 10 });
      await runAll(many(40, () => invoker.trigger(cloudFunction)));
      expect(concurrentMaxOf(cloudFunction)).toBe(8);
    });

    it('a step is called although triggers use all they may', async () => {
      const cloudFunction = await answering({ delayMs: 2_000 }, { maxConcurrency: 2 });
      await sendAll(many(20, () => invoker.trigger(cloudFunction)));
      await eventually(() => expect(endpoint.callsTo(`/${cloudFunction.endpointUrl}`)).toHaveLength(1));
      expect((await invoker.run(invoker.step(cloudFunction), 4_000)).outcome).toBe('succeeded');
    });

    it('a change of them acts on what waits', async () => {
      const cloudFunction = await answering({ delayMs: 50 }, { maxConcurrency: 1 });
      const requests = many(40, () => invoker.trigger(cloudFunction));
      await sendAll(requests);
      await invoker.setFunction(api, { ...cloudFunction, maxConcurrency: 50 });
      await Promise.all(requests.map((request) => invoker.resultOf(request)));
      expect(concurrentMaxOf(cloudFunction)).toBeGreaterThan(10);
    });

    it('a step that gets none fails with rate_limited before its deadline, and others do not notice', async () => {
      const cloudFunction = await answering({ hang: true }, { maxConcurrency: 2, timeoutMs: 4_000 });
      const deadline = new Date(Date.now() + 2_000).toISOString();
      const running = many(2, () => invoker.step(cloudFunction));
      await sendAll(running);
      await eventually(() => expect(endpoint.callsTo(`/${cloudFunction.endpointUrl}`)).toHaveLength(2));
      const waiting = many(20, () => invoker.step(cloudFunction, { deadline }));
      await sendAll(waiting);
      const other = await answering({});
      expect((await invoker.run(invoker.step(other), 1_000)).outcome).toBe('succeeded');
      const results = await Promise.all(waiting.map((request) => invoker.resultOf(request)));
      for (const result of results) {
        expect(result).toMatchObject({ outcome: 'failed', failureReason: 'rate_limited', attempts: [] });
        expect(Date.parse(result.completedAt)).toBeLessThan(Date.parse(deadline));
      }
      expect(endpoint.callsTo(`/${cloudFunction.endpointUrl}`)).toHaveLength(2);
    });
  });

  describe('the circuit of a function that fails', () => {
    it('answers steps at once and defers triggers, each lane for itself', async () => {
      const cloudFunction = await answering({ status: 500 });
      await runAll(many(20, () => invoker.step(cloudFunction)));
      const called = endpoint.callsTo(`/${cloudFunction.endpointUrl}`).length;
      expect(await invoker.run(invoker.step(cloudFunction))).toMatchObject({
        outcome: 'failed',
        failureReason: 'circuit_open',
        attempts: [],
      });
      expect(endpoint.callsTo(`/${cloudFunction.endpointUrl}`)).toHaveLength(called);
      expect(await invoker.metric('cf_circuit_state', { lane: 'step', state: 'open' })).toBe(1);
      expect(await invoker.metric('cf_circuit_state', { lane: 'trigger', state: 'open' })).toBe(0);

      await runAll(many(20, () => invoker.trigger(cloudFunction)));
      const request = invoker.trigger(cloudFunction, { attempt: 3, seq: 7 });
      const deferred = await invoker.run(request);
      expect(deferred).toMatchObject({
        disposition: 'deferred',
        deferReason: 'circuit_open',
        outcome: null,
        failureReason: null,
        attempts: [],
        request: { attempt: 3, seq: 7, body: request.body },
      });
      expect(Date.parse(deferred.dueAt ?? '') - Date.now()).toBeGreaterThan(20_000);
      expect(Date.parse(deferred.dueAt ?? '') - Date.now()).toBeLessThanOrEqual(40_000);
    });

    it('is not opened by answers that are the caller’s fault', async () => {
      const cloudFunction = await answering({ status: 404 });
      await runAll(many(30, () => invoker.step(cloudFunction)));
      expect(await invoker.run(invoker.step(cloudFunction))).toMatchObject({ failureReason: 'http_status' });
    });
  });
});
