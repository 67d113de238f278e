/** Real: the service, HTTP. In memory: the log. The window is small here, so that a few hundred requests fill it. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { triggerInvocationRequests } from '@cf/contract';
import { CustomerEndpoint, eventually } from '@cf/testing';
import { TRIGGER_GROUP } from '../src/trigger-lane.group.js';
import { PARTITIONS, RunningInvoker } from './running-invoker.js';

const WINDOW = 400;
const settings = {
  INVOKER_TRIGGER_WINDOW_RECORDS: String(WINDOW),
  INVOKER_QUOTA_CALL_MS: '300',
  INVOKER_QUOTA_WORKS_OFF_MS: '1000',
};

let invoker: RunningInvoker;
let endpoint: CustomerEndpoint;
beforeAll(async () => {
  Object.assign(process.env, settings);
  [invoker, endpoint] = await Promise.all([RunningInvoker.start(), CustomerEndpoint.start()]);
});
afterAll(async () => {
  for (const name of Object.keys(settings)) delete process.env[name];
  await endpoint?.close();
  await invoker?.stop();
});

it('a function that hangs holds its quota of the window: others are called, and what is beyond it is deferred, none lost', async () => {
  const api = await invoker.setApi(await invoker.addOrganization(), endpoint.url);
  const hanging = await invoker.setFunction(api, { timeoutMs: 30_000, maxConcurrency: 10 });
  endpoint.answer(`/${hanging.endpointUrl}`, () => ({ hang: true }));
  const quick = await invoker.setFunction(api);
  const ofHanging = Array.from({ length: 5 * WINDOW }, () => invoker.trigger(hanging, { chatId: randomUUID() }));
  const ofQuick = Array.from({ length: 40 }, () => invoker.trigger(quick));
  const between = ofHanging.length / ofQuick.length;
  const sent = ofHanging.map((request, index) => invoker.send(request, index % PARTITIONS));
  ofQuick.forEach((request, index) => sent.splice((index + 1) * between, 0, invoker.send(request, index % PARTITIONS)));
  await Promise.all(sent);

  await Promise.all(ofQuick.map((request) => invoker.resultOf(request)));
  const called = (): number => endpoint.callsTo(`/${hanging.endpointUrl}`).length;
  const quota = 8;
  await eventually(() => {
    const deferred = ofHanging.filter((request) => invoker.resultsOf(request).length > 0);
    expect(deferred.length + called() + quota).toBeGreaterThanOrEqual(ofHanging.length);
  });
  expect(called()).toBeLessThanOrEqual(8);
  for (const request of ofHanging) {
    for (const result of invoker.resultsOf(request))
      expect(result).toMatchObject({ disposition: 'deferred', deferReason: 'quota', dueAt: request.acceptedAt, attempts: [] });
  }
  const committed = await invoker.log.committedOffsets(TRIGGER_GROUP, triggerInvocationRequests.name);
  expect(committed.every((offset) => offset !== null)).toBe(true);
});

it('a hanging function whose records belong to a few chats holds its quota too', async () => {
  const api = await invoker.setApi(await invoker.addOrganization(), endpoint.url);
  const hanging = await invoker.setFunction(api, { timeoutMs: 30_000 });
  endpoint.answer(`/${hanging.endpointUrl}`, () => ({ hang: true }));
  const quick = await invoker.setFunction(api);
  const chats = Array.from({ length: 5 }, () => randomUUID());
  const ofHanging = Array.from({ length: 5 * WINDOW }, (_, index) => invoker.trigger(hanging, { chatId: chats[index % 5]! }));
  const ofQuick = Array.from({ length: 40 }, () => invoker.trigger(quick));
  await Promise.all(ofHanging.map((request, index) => invoker.send(request, index % PARTITIONS)));
  await Promise.all(ofQuick.map((request, index) => invoker.send(request, index % PARTITIONS)));
  await Promise.all(ofQuick.map((request) => invoker.resultOf(request)));
  expect(endpoint.callsTo(`/${hanging.endpointUrl}`).length).toBeLessThanOrEqual(5);
});

it('a request that was sent twice is called or deferred, not both', async () => {
  const api = await invoker.setApi(await invoker.addOrganization(), endpoint.url);
  const slow = await invoker.setFunction(api, { maxConcurrency: 10 });
  endpoint.answer(`/${slow.endpointUrl}`, () => ({ delayMs: 700 }));
  const requests = Array.from({ length: 60 }, () => invoker.trigger(slow));
  await Promise.all(requests.map((request) => invoker.send(request, 0)));
  await Promise.all(requests.map((request) => invoker.send(request, 0)));
  await Promise.all(requests.map((request) => invoker.resultOf(request, 60_000)));
  const marker = invoker.trigger(await invoker.setFunction(api));
  await invoker.send(marker, 0);
  await invoker.resultOf(marker);
  const answered = requests.map((request) => invoker.resultsOf(request).map(({ disposition }) => disposition));
  expect(answered.filter((dispositions) => dispositions.length !== 1)).toEqual([]);
  expect(new Set(answered.flat())).toEqual(new Set(['done', 'deferred']));
});
