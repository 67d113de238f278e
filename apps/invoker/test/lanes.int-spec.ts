import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { LANES } from './lanes-of-this-spec.js';
import { CustomerEndpoint } from '@cf/testing';
import { RunningInvoker } from './running-invoker.js';

let invoker: RunningInvoker;
let endpoint: CustomerEndpoint;
beforeAll(async () => {
  [invoker, endpoint] = await Promise.all([RunningInvoker.start(), CustomerEndpoint.start()]);
});
afterAll(async () => {
  await endpoint?.close();
  await invoker?.stop();
});

it('a process serves the lanes that were chosen and joins no other group', async () => {
  expect(LANES).toBe('trigger');
  const cloudFunction = await invoker.setFunction(await invoker.setApi(await invoker.addOrganization(), endpoint.url));
  await invoker.send(invoker.step(cloudFunction), 0);
  expect(await invoker.run(invoker.trigger(cloudFunction))).toMatchObject({ outcome: 'succeeded' });
  const [process] = invoker['processes'];
  const health = (await (await fetch(`${process?.address}/health/ready`)).json()) as { parts: Record<string, { detail: string }> };
  expect(JSON.stringify(health)).toContain('invoker.trigger');
  expect(JSON.stringify(health)).not.toContain('invoker.step');
  expect(invoker.stepResults).toEqual([]);
});
