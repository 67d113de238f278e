import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { CustomerEndpoint, eventually } from '@cf/testing';
import { onBothLogs } from './harness/both-logs.js';
import { type Installation, startInstallation } from './harness/installation.js';
import { Tenant } from './harness/tenant.js';

onBothLogs('slow work holds up nobody else', (engine) => {
  let product: Installation;
  let endpoint: CustomerEndpoint;
  let tenant: Tenant;

  beforeAll(async () => {
    product = await startInstallation(engine);
    endpoint = await CustomerEndpoint.start();
    tenant = await Tenant.create(product.operator);
  });
  afterAll(async () => {
    await endpoint?.close();
    await product?.stop();
  });

  it('while one function hangs, another function of the same chat and another chat complete', async () => {
    const [hanging, quick] = ['hanging', 'quick'].map((name) => `/${name}-${randomUUID()}`) as [string, string];
    let answered = 0;
    endpoint.answer(hanging, () => ({ hang: true }));
    endpoint.answer(quick, () => ({ status: 200, body: String(++answered) }));
    await tenant.createTrigger(await tenant.createFunction(endpoint.url, hanging.slice(1), { timeoutMs: 30_000 }), 'ChatStatus');
    await tenant.createTrigger(await tenant.createFunction(endpoint.url, quick.slice(1)), 'ChatStatus');
    const chatId = randomUUID();
    await tenant.sendEvents([tenant.event('ChatOpened', { chatId }), tenant.event('ChatEnded', { chatId }), tenant.event('ChatOpened')]);
    await eventually(() => expect(answered).toBe(3));
    expect(endpoint.callsTo(hanging).length).toBeGreaterThanOrEqual(1);
    expect(await tenant.executions('?status=dead_lettered')).toEqual([]);
  });

  it('10,000 queued trigger events do not delay a step', async () => {
    const [slow, step] = ['slow', 'step'].map((name) => `/${name}-${randomUUID()}`) as [string, string];
    endpoint.answer(slow, () => ({ status: 200, delayMs: 200 }));
    endpoint.answer(step, () => ({ status: 200, body: '{"returnValue":"Yes"}' }));
    await tenant.createTrigger(await tenant.createFunction(endpoint.url, slow.slice(1), { maxConcurrency: 50 }), 'MessagePosted');
    const cloudFunctionId = await tenant.createFunction(endpoint.url, step.slice(1), { branchOptions: ['Yes'] });
    for (let sent = 0; sent < 10; sent++) {
      expect((await tenant.sendEvents(Array.from({ length: 1_000 }, () => tenant.event('MessagePosted')))).status).toBe(202);
    }
    await eventually(() => expect(endpoint.callsTo(slow).length).toBeGreaterThan(0));
    const result = await tenant.runStep(cloudFunctionId);
    expect(result).toMatchObject({ outcome: 'succeeded', branchReason: 'matched' });
    expect(endpoint.callsTo(slow).length).toBeLessThan(10_000);
  });
});
