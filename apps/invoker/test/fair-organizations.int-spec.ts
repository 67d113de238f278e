import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { CustomerEndpoint, eventually } from '@cf/testing';
import { RunningInvoker } from './running-invoker.js';

const SLOTS = 8;

let invoker: RunningInvoker;
let endpoint: CustomerEndpoint;
beforeAll(async () => {
  const settings = { INVOKER_TRIGGER_CALLS_MAX: String(SLOTS) };
  Object.assign(process.env, settings);
  [invoker, endpoint] = await Promise.all([RunningInvoker.start(), CustomerEndpoint.start()]);
});
afterAll(async () => {
  delete process.env.INVOKER_TRIGGER_CALLS_MAX;
  await endpoint?.close();
  await invoker?.stop();
});

it('an organization with many functions leaves another one half of the calls at once', async () => {
  const order: string[] = [];
  const functionsOf = async (name: string, count: number) => {
    const api = await invoker.setApi(await invoker.addOrganization(), `${endpoint.url}/${name}`);
    const functions = await Promise.all(Array.from({ length: count }, () => invoker.setFunction(api)));
    for (const { endpointUrl } of functions) {
      endpoint.answer(`/${name}/${endpointUrl}`, () => {
        order.push(name);
        return { delayMs: 40 };
      });
    }
    return functions;
  };
  const [many, single] = [await functionsOf('many', 40), await functionsOf('single', 1)];
  const first = many.flatMap((each) => [invoker.trigger(each), invoker.trigger(each)]);
  await Promise.all(first.map((request) => invoker.send(request)));
  await eventually(() => expect(order.length).toBeGreaterThanOrEqual(SLOTS));
  const before = order.length;
  const second = Array.from({ length: 12 }, () => invoker.trigger(single[0]!));
  await Promise.all(second.map((request) => invoker.send(request)));
  await Promise.all(second.map((request) => invoker.resultOf(request)));
  const until = order.lastIndexOf('single');
  const others = order.slice(before, until).filter((name) => name === 'many').length;
  expect(others).toBeLessThanOrEqual(second.length + 2 * SLOTS);
  expect(order.length).toBeLessThan(first.length);
  await Promise.all(first.map((request) => invoker.resultOf(request)));
});
