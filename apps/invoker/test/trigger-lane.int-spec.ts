import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type CloudFunction, type RegisteredApi, triggerInvocationRequests } from '@cf/contract';
import { type CustomerAnswer, type CustomerCall, CustomerEndpoint, eventually } from '@cf/testing';
import { RunningInvoker } from './running-invoker.js';

const HOUR = 60 * 60_000;

describe('the trigger lane', () => {
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

  const answering = async (
    answer: CustomerAnswer | ((call: CustomerCall) => CustomerAnswer),
    more: Partial<CloudFunction> = {},
  ): Promise<CloudFunction> => {
    const cloudFunction = await invoker.setFunction(api, more);
    endpoint.answer(`/${cloudFunction.endpointUrl}`, typeof answer === 'function' ? answer : () => answer);
    return cloudFunction;
  };
  const callsOf = ({ endpointUrl }: CloudFunction): CustomerCall[] => endpoint.callsTo(`/${endpointUrl}`);
  /** A later request on the same partition is done, so an earlier one was seen. */
  const passed = async (partition: number): Promise<void> => {
    const marker = invoker.trigger(await answering({}));
    await invoker.send(marker, partition);
    await invoker.resultOf(marker);
  };

  it.each<[string, CustomerAnswer, object]>([
    ['any 2xx is success', { status: 202, body: 'thanks' }, { outcome: 'succeeded', httpStatus: 202, returnValue: null, warning: null }],
    ['an odd body is success', { body: '{"returnValue":1}' }, { outcome: 'succeeded', returnValue: null, warning: null }],
    [
      'too large a body is success, cut',
      { body: 'x'.repeat(100_000) },
      { outcome: 'succeeded', attempts: [{ failureReason: null, response: { truncated: true, body: 'x'.repeat(8_192) } }] },
    ],
    ['404 is final', { status: 404 }, { outcome: 'failed', failureReason: 'http_status', httpStatus: 404 }],
    ['a redirect is final', { status: 302 }, { outcome: 'failed', failureReason: 'http_status', httpStatus: 302 }],
  ])('%s', async (_name, answer, expected) => {
    expect(await invoker.run(invoker.trigger(await answering(answer)))).toMatchObject({ disposition: 'done', dueAt: null, ...expected });
  });

  it('a failure that may pass is due again, as the next attempt', async () => {
    const before = Date.now();
    const result = await invoker.run(invoker.trigger(await answering({ status: 503 }), { attempt: 4, seq: 6 }));
    expect(result).toMatchObject({
      disposition: 'retrying',
      outcome: null,
      failureReason: 'http_status',
      httpStatus: 503,
      request: { attempt: 4, seq: 6 },
      attempts: [{ number: 4, httpStatus: 503, failureReason: 'http_status' }],
    });
    expect(Date.parse(result.dueAt ?? '')).toBeGreaterThanOrEqual(before);
    expect(Date.parse(result.dueAt ?? '')).toBeLessThanOrEqual(Date.now() + 8_000);
  });

  it('a connection that fails is one attempt, due again', async () => {
    const nowhere = await invoker.setFunction(await invoker.setApi(api.orgId, 'http://127.0.0.1:9'));
    expect(await invoker.run(invoker.trigger(nowhere))).toMatchObject({
      disposition: 'retrying',
      failureReason: 'connection',
      attempts: [{ number: 1 }],
    });
  });

  it.each([
    ['in seconds', () => '120'],
    ['as a date', () => new Date(Date.now() + 120_000).toUTCString()],
  ])('Retry-After %s is honoured', async (_name, header) => {
    const before = Date.now();
    const result = await invoker.run(invoker.trigger(await answering({ status: 429, headers: { 'retry-after': header() } })));
    expect(Date.parse(result.dueAt ?? '') - before).toBeGreaterThan(118_000);
    expect(Date.parse(result.dueAt ?? '') - before).toBeLessThan(125_000);
  });

  it('after 24 hours a failure is the end', async () => {
    const request = invoker.trigger(await answering({ status: 503 }), {
      attempt: 30,
      acceptedAt: new Date(Date.now() - 24 * HOUR).toISOString(),
    });
    expect(await invoker.run(request)).toMatchObject({
      disposition: 'done',
      outcome: 'failed',
      failureReason: 'http_status',
      httpStatus: 503,
    });
  });

  it('a function whose triggers are paused is not called: triggers wait, disabled or not, and tests go on', async () => {
    const paused = await answering({}, { triggersPaused: true });
    const both = await answering({}, { triggersPaused: true, enabled: false });
    const waits = { disposition: 'deferred', outcome: null, attempts: [] };
    expect(await invoker.run(invoker.trigger(paused, { acceptedAt: new Date(Date.now() - 72 * HOUR).toISOString() }))).toMatchObject(waits);
    expect(await invoker.run(invoker.trigger(both))).toMatchObject(waits);
    expect(callsOf(paused)).toHaveLength(0);
    expect(await invoker.run(invoker.trigger(paused, { test: true }))).toMatchObject({ disposition: 'done', outcome: 'succeeded' });
  });

  it('a function that is disabled, an address that is not public: final and not called', async () => {
    const disabled = await answering({}, { enabled: false });
    expect(await invoker.run(invoker.trigger(disabled))).toMatchObject({
      disposition: 'done',
      failureReason: 'function_disabled',
      attempts: [],
    });
    const inside = await invoker.setFunction(await invoker.setApi(api.orgId, 'http://10.0.0.1'));
    expect(await invoker.run(invoker.trigger(inside))).toMatchObject({ disposition: 'done', failureReason: 'blocked_address' });
    expect(callsOf(disabled)).toEqual([]);
  });

  describe('once', () => {
    it('the same request published twice is one call and one result', async () => {
      const cloudFunction = await answering({ delayMs: 50 });
      const request = invoker.trigger(cloudFunction);
      await Promise.all([invoker.send(request, 1), invoker.send({ ...request, invocationId: request.invocationId.toUpperCase() }, 1)]);
      await invoker.resultOf(request);
      await invoker.send(request, 1);
      await passed(1);
      expect(callsOf(cloudFunction)).toHaveLength(1);
      expect(invoker.resultsOf(request)).toHaveLength(1);
      expect(await invoker.metric('cf_repeated_requests_total', { lane: 'trigger' })).toBe(2);
    });

    it('the next seq of it is another call', async () => {
      const cloudFunction = await answering({ status: 500 });
      const request = invoker.trigger(cloudFunction);
      await invoker.run(request);
      await invoker.send({ ...request, seq: 1, attempt: 2 });
      await eventually(() => expect(invoker.resultsOf(request)).toHaveLength(2));
      expect(callsOf(cloudFunction)).toHaveLength(2);
    });
  });

  describe('order', () => {
    it('first attempts of a chat reach a function one at a time in their order', async () => {
      const cloudFunction = await answering({ delayMs: 20 });
      const chatId = randomUUID();
      const requests = Array.from({ length: 10 }, (_, index) => invoker.trigger(cloudFunction, { chatId, body: String(index) }));
      for (const request of requests) await invoker.send(request);
      await Promise.all(requests.map((request) => invoker.resultOf(request)));
      expect(callsOf(cloudFunction).map(({ body }) => body.toString())).toEqual(requests.map(({ body }) => body));
      expect(endpoint.concurrentMaxOf(`/${cloudFunction.endpointUrl}`)).toBe(1);
    });

    it('without a chat there is none', async () => {
      const cloudFunction = await answering({ delayMs: 100 });
      const requests = Array.from({ length: 10 }, () => invoker.trigger(cloudFunction));
      for (const request of requests) await invoker.send(request, 2);
      await Promise.all(requests.map((request) => invoker.resultOf(request)));
      expect(endpoint.concurrentMaxOf(`/${cloudFunction.endpointUrl}`)).toBeGreaterThan(5);
    });

    it('a function that hangs holds up neither another function of the chat, nor another chat, nor a retry', async () => {
      const [hanging, other] = [await answering({ hang: true }, { timeoutMs: 30_000 }), await answering({})];
      const chatId = randomUUID();
      await invoker.send(invoker.trigger(hanging, { chatId }), 3);
      const behind = invoker.trigger(hanging, { chatId });
      await invoker.send(behind, 3);
      const retry = invoker.trigger(hanging, { chatId, seq: 1, attempt: 2, body: 'retry' });
      await invoker.send(retry, 3);
      const sameChat = invoker.trigger(other, { chatId });
      const otherChat = invoker.trigger(other, { chatId: randomUUID() });
      await invoker.send(sameChat, 3);
      await invoker.send(otherChat, 3);
      expect((await invoker.resultOf(sameChat)).outcome).toBe('succeeded');
      expect((await invoker.resultOf(otherChat)).outcome).toBe('succeeded');
      await eventually(() => expect(callsOf(hanging).map(({ body }) => body.toString())).toContain('retry'));
      expect(callsOf(hanging)).toHaveLength(2);
      expect(invoker.resultsOf(behind)).toEqual([]);
    });
  });

  it('nonsense on the topic is a dead letter and the requests behind it go on', async () => {
    const publisher = invoker.log.createPublisher('platform', 'trigger');
    await publisher.publish({ topic: triggerInvocationRequests.name, partition: 0, key: 'x', value: '{"invocationId":1}' });
    await passed(0);
    expect((await invoker.log.endOffsets('dead.letters')).reduce((sum, end) => sum + end, 0)).toBe(1);
  });
});
