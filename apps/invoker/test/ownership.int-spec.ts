import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type CloudFunction, type RegisteredApi, triggerInvocationRequests } from '@cf/contract';
import { CustomerEndpoint, eventually } from '@cf/testing';
import { PARTITIONS, RunningInvoker } from './running-invoker.js';

describe('workers that come and go', () => {
  let invoker: RunningInvoker;
  let endpoint: CustomerEndpoint;
  let api: RegisteredApi;
  beforeEach(async () => {
    [invoker, endpoint] = await Promise.all([RunningInvoker.create(), CustomerEndpoint.start()]);
    api = await invoker.setApi(await invoker.addOrganization(), endpoint.url);
  });
  afterEach(async () => {
    await endpoint?.close();
    await invoker?.stop();
  });

  const slow = async (delayMs: number, more: Partial<CloudFunction> = {}): Promise<CloudFunction> => {
    const cloudFunction = await invoker.setFunction(api, more);
    endpoint.answer(`/${cloudFunction.endpointUrl}`, () => ({ delayMs }));
    return cloudFunction;
  };
  const callsOf = ({ endpointUrl }: CloudFunction) => endpoint.callsTo(`/${endpointUrl}`);

  it.each(['step', 'trigger'] as const)('a worker that is added repeats no running call of the %s lane', async (kind) => {
    await invoker.startProcess();
    const cloudFunction = await slow(1_000);
    const requests = Array.from({ length: 20 }, () => invoker[kind](cloudFunction));
    await Promise.all(requests.map((request, index) => invoker.send(request, index % PARTITIONS)));
    await eventually(() => expect(callsOf(cloudFunction).length).toBe(20));
    await invoker.startProcess();
    await Promise.all(requests.map((request) => invoker.resultOf(request)));
    const later = Array.from({ length: 20 }, () => invoker[kind](cloudFunction));
    await Promise.all(later.map((request, index) => invoker.send(request, index % PARTITIONS)));
    await Promise.all(later.map((request) => invoker.resultOf(request)));
    expect(callsOf(cloudFunction)).toHaveLength(40);
    for (const request of [...requests, ...later]) expect(invoker.resultsOf(request)).toHaveLength(1);
  });

  it.each(['step', 'trigger'] as const)(
    'a worker that stops ends its running calls of the %s lane, and nobody repeats them',
    async (kind) => {
      const first = await invoker.startProcess();
      const cloudFunction = await slow(800);
      const requests = Array.from({ length: 12 }, () => invoker[kind](cloudFunction));
      await Promise.all(requests.map((request, index) => invoker.send(request, index % PARTITIONS)));
      await eventually(() => expect(callsOf(cloudFunction).length).toBe(12));
      const [, second] = await Promise.all([first.stop(), invoker.startProcess()]);
      await Promise.all(requests.map((request) => invoker.resultOf(request)));
      const marker = invoker[kind](cloudFunction);
      await invoker.run(marker);
      expect(callsOf(cloudFunction)).toHaveLength(13);
      expect(second.address).not.toBe(first.address);
    },
  );

  it('a new owner knows what was called before it came', async () => {
    const first = await invoker.startProcess();
    const cloudFunction = await slow(0);
    const request = invoker.trigger(cloudFunction);
    await invoker.send(request, 1);
    await invoker.resultOf(request);
    await first.stop();
    await invoker.send(request, 1);
    await invoker.startProcess();
    const marker = invoker.trigger(cloudFunction);
    await invoker.send(marker, 1);
    await invoker.resultOf(marker);
    expect(callsOf(cloudFunction)).toHaveLength(2);
    expect(invoker.resultsOf(request)).toHaveLength(1);
  });

  it('a request that was not committed is called, however often it lies there', async () => {
    const cloudFunction = await slow(0);
    const request = invoker.trigger(cloudFunction);
    await invoker.send(request, 2);
    await invoker.send(request, 2);
    await invoker.startProcess();
    await invoker.resultOf(request);
    const marker = invoker.trigger(cloudFunction);
    await invoker.send(marker, 2);
    await invoker.resultOf(marker);
    expect(callsOf(cloudFunction)).toHaveLength(2);
    expect(invoker.resultsOf(request)).toHaveLength(1);
  });

  it('a step that comes again is answered again with the same result and not called again', async () => {
    await invoker.startProcess();
    const cloudFunction = await invoker.setFunction(api);
    let calls = 0;
    endpoint.answer(`/${cloudFunction.endpointUrl}`, () => ({ delayMs: 100, body: JSON.stringify({ returnValue: `call ${++calls}` }) }));
    const request = invoker.step(cloudFunction);
    await Promise.all([invoker.send(request, 0), invoker.send(request, 0)]);
    await eventually(() => expect(invoker.resultsOf(request)).toHaveLength(2));
    await invoker.send(request, 0);
    await eventually(() => expect(invoker.resultsOf(request)).toHaveLength(3));
    expect(calls).toBe(1);
    expect(new Set(invoker.resultsOf(request).map(({ returnValue, attempts }) => `${returnValue} ${attempts[0]?.attemptId}`)).size).toBe(1);
  });

  it('two workers share the work, and the concurrency of a function', async () => {
    await Promise.all([invoker.startProcess(), invoker.startProcess()]);
    const cloudFunction = await slow(50, { maxConcurrency: 4 });
    const requests = Array.from({ length: 60 }, () => invoker.step(cloudFunction));
    await Promise.all(requests.map((request, index) => invoker.send(request, index % PARTITIONS)));
    await Promise.all(requests.map((request) => invoker.resultOf(request)));
    expect(callsOf(cloudFunction)).toHaveLength(60);
    expect(endpoint.concurrentMaxOf(`/${cloudFunction.endpointUrl}`)).toBeLessThanOrEqual(4 + 2);
  });

  it('a backlog is worked off beside a function that hangs', async () => {
    const hanging = await invoker.setFunction(api, { timeoutMs: 30_000 });
    endpoint.answer(`/${hanging.endpointUrl}`, () => ({ hang: true }));
    const quick = await slow(0);
    for (let index = 0; index < 500; index++) await invoker.send(invoker.trigger(hanging, { chatId: randomUUID() }), index % PARTITIONS);
    const requests = Array.from({ length: 100 }, () => invoker.trigger(quick));
    for (const [index, request] of requests.entries()) await invoker.send(request, index % PARTITIONS);
    await invoker.startProcess();
    await Promise.all(requests.map((request) => invoker.resultOf(request)));
    expect(endpoint.concurrentMaxOf(`/${hanging.endpointUrl}`)).toBeLessThanOrEqual(40);
    expect((await invoker.log.endOffsets(triggerInvocationRequests.name)).reduce((sum, end) => sum + end, 0)).toBe(600);
  });
});
