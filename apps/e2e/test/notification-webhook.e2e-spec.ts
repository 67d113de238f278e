import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CustomerEndpoint, eventually } from '@cf/testing';
import { Webhook } from 'standardwebhooks';
import { type Installation, startInstallation } from './harness/installation.js';
import { Tenant } from './harness/tenant.js';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

describe('a notification', () => {
  let product: Installation;
  let endpoint: CustomerEndpoint;
  let tenant: Tenant;
  const path = (): string => tenant.path('notification-webhook');

  beforeAll(async () => {
    process.env['EXECUTIONS_HEALTH_FOLD_EVERY_MS'] = '50';
    product = await startInstallation('embedded');
    endpoint = await CustomerEndpoint.start();
    tenant = await Tenant.create(product.operator);
  });
  afterAll(async () => {
    delete process.env['EXECUTIONS_HEALTH_FOLD_EVERY_MS'];
    await endpoint?.close();
    await product?.stop();
  });

  it('reaches the endpoint of the organization, signed, and is tried again until it is taken', async () => {
    let refusals = 2;
    endpoint.answer('/alerts', () => ({ status: refusals-- > 0 ? 503 : 204 }));
    endpoint.answer('/broken', () => ({ status: 404 }));
    const receiver = await tenant.createFunction(endpoint.url, 'alerts', {
      signing: { enabled: true, scheme: 'standard-webhooks', secret: SECRET },
    });
    expect((await product.operator.request('PUT', path(), { cloudFunctionId: receiver, types: ['retries_exhausted'] })).status).toBe(200);

    const sample = await product.operator.request('POST', `${path()}/test-delivery`);
    expect(sample).toMatchObject({ status: 200, body: { result: { outcome: 'failed', httpStatus: 503 } } });

    const broken = await tenant.createFunction(endpoint.url, 'broken');
    await tenant.createTrigger(broken, 'ChatStatus');
    await tenant.sendEvents([tenant.event('ChatOpened')]);
    const calls = await eventually(() => {
      const found = endpoint.callsTo('/alerts');
      expect(found).toHaveLength(3);
      return found.slice(1);
    });
    expect(new Set(calls.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    for (const { headers, body } of calls) {
      const verified = new Webhook(SECRET).verify(body.toString(), headers as Record<string, string>);
      expect(verified).toMatchObject({
        type: 'notification.retries_exhausted',
        data: { orgId: tenant.orgId, cloudFunctionId: broken, count: 1 },
      });
    }
    await eventually(async () =>
      expect((await product.operator.get(`${path()}/deliveries`)).body).toMatchObject({
        data: [{ invocationId: calls[0]!.headers['webhook-id'], status: 'succeeded', attemptCount: 2 }],
      }),
    );
  });
});
