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

  it('an endpoint that takes 100 ms is held at 50 calls in flight, and kept there', async () => {
    const cloudFunction = await answering({ delayMs: 100 }, { maxConcurrency: 50 });
    const startedAt = performance.now();
    const results = await runAll(many(400, () => invoker.step(cloudFunction)));
    expect(results.every(({ outcome }) => outcome === 'succeeded')).toBe(true);
    expect(concurrentMaxOf(cloudFunction)).toBe(50);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(8 * 99);
  });

  it('a function whose calls time out gets fewer at once, and all of them again when it answers', async () => {
    let [now, max, hang] = [0, 0, true];
    const cloudFunction = await invoker.setFunction(api, { maxConcurrency: 12, timeoutMs: 1_000 });
    endpoint.answer(`/${cloudFunction.endpointUrl}`, async () => {
      max = Math.max(max, ++now);
      if (!hang) await new Promise((resolve) => setTimeout(resolve, 20));
      now--;
      return hang ? { hang } : {};
    });
    const hung = await runAll(many(12, () => invoker.step(cloudFunction)));
    expect(hung.every(({ failureReason }) => failureReason === 'timeout')).toBe(true);
    expect(await invoker.metric('cf_slowed_functions', { lane: 'step' })).toBeGreaterThanOrEqual(1);
    [now, max, hang] = [0, 0, false];
    await runAll(many(12, () => invoker.step(cloudFunction)));
    expect(max).toBeGreaterThanOrEqual(6);
    expect(max).toBeLessThan(12);
    await runAll(many(120, () => invoker.step(cloudFunction)));
    expect(max).toBe(12);
  });

  describe('an endpoint that asks to be left alone', () => {
    it.each([
      ['429', 429],
      ['503', 503],
    ])('by %s and Retry-After: triggers wait and burn no attempt, steps and tests go', async (_name, status) => {
      let calls = 0;
      const cloudFunction = await invoker.setFunction(api);
      endpoint.answer(`/${cloudFunction.endpointUrl}`, () => (++calls === 1 ? { status, headers: { 'retry-after': '600' } } : {}));
      const atMs = Date.now();
      const first = await invoker.run(invoker.trigger(cloudFunction));
      expect(first).toMatchObject({ disposition: 'retrying', httpStatus: status, attempts: [{ number: 1 }] });
      const deferred = await invoker.run(invoker.trigger(cloudFunction, { attempt: 4, seq: 6 }));
      expect(deferred).toMatchObject({
        disposition: 'deferred',
        deferReason: 'rate_limited',
        attempts: [],
        request: { attempt: 4, seq: 6 },
      });
      const afterMs = Date.parse(deferred.dueAt ?? '') - atMs;
      expect(afterMs).toBeGreaterThanOrEqual(600_000);
      expect(afterMs).toBeLessThan(615_000);
      expect((await invoker.run(invoker.step(cloudFunction))).outcome).toBe('succeeded');
      expect((await invoker.run(invoker.trigger(cloudFunction, { test: true }))).outcome).toBe('succeeded');
      expect(calls).toBe(3);
    });

    it('of a step’s call: triggers wait too, at most an hour', async () => {
      const cloudFunction = await answering({ status: 429, headers: { 'retry-after': '999999' } });
      await invoker.run(invoker.step(cloudFunction));
      const deferred = await invoker.run(invoker.trigger(cloudFunction));
      expect(deferred).toMatchObject({ disposition: 'deferred', deferReason: 'rate_limited' });
      expect(Date.parse(deferred.dueAt ?? '') - Date.now()).toBeLessThanOrEqual(3_610_000);
    });

    it('by Retry-After on another status: triggers do not wait', async () => {
      const cloudFunction = await answering({ status: 500, headers: { 'retry-after': '600' } });
      await invoker.run(invoker.trigger(cloudFunction));
      expect(await invoker.run(invoker.trigger(cloudFunction))).toMatchObject({ disposition: 'retrying' });
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
        circuit: { state: 'open', worker: expect.stringContaining(String(process.pid)) },
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

    it('is on the results that open it and find it open, and on no other', async () => {
      const cloudFunction = await answering({ status: 500 });
      const results = await runAll(many(20, () => invoker.trigger(cloudFunction)));
      const states = results.map(({ circuit }) => circuit?.state ?? null);
      expect(states.filter((state) => state === 'open')).toHaveLength(1);
      expect(states.filter((state) => state === null)).toHaveLength(19);
      expect((await invoker.run(invoker.trigger(cloudFunction))).circuit?.state).toBe('open');
    });

    it('is closed by a manual reset, in both lanes, and not by another change of the function', async () => {
      const cloudFunction = await answering({ status: 500 });
      await runAll(many(20, () => invoker.step(cloudFunction)));
      await runAll(many(20, () => invoker.trigger(cloudFunction)));
      endpoint.answer(`/${cloudFunction.endpointUrl}`, () => ({}));
      const renamed = await invoker.setFunction(api, { ...cloudFunction, name: 'Renamed' });
      expect(await invoker.run(invoker.step(renamed))).toMatchObject({ failureReason: 'circuit_open' });
      await invoker.setFunction(api, { ...renamed, circuitResetAt: new Date().toISOString() });
      await eventually(async () =>
        expect(await invoker.run(invoker.step(renamed))).toMatchObject({ outcome: 'succeeded', circuit: null, attempts: [{ number: 1 }] }),
      );
      expect(await invoker.run(invoker.trigger(renamed))).toMatchObject({ outcome: 'succeeded', circuit: null });
    });

    it('is not opened by answers that are the caller’s fault', async () => {
      const cloudFunction = await answering({ status: 404 });
      await runAll(many(30, () => invoker.step(cloudFunction)));
      expect(await invoker.run(invoker.step(cloudFunction))).toMatchObject({ failureReason: 'http_status' });
    });
  });
});
