import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { ExecutionsModule } from '@cf/executions';
import { GatewayModule } from '@cf/gateway';
import { RegistryModule } from '@cf/registry';
import { eventually } from '@cf/testing';
import { Api } from './harness/api.js';
import { onBothLogs } from './harness/both-logs.js';
import { type Installation, startInstallation } from './harness/installation.js';

/** Three services, each with a cache of its own, as if they were three processes. */
onBothLogs('a revoked token', (engine) => {
  let product: Installation;
  let orgId: string;
  const services: Record<string, (token: string) => Promise<number>> = {};

  const makeToken = async (): Promise<{ id: string; token: string }> => {
    const scopes = ['chat-events:publish', 'executions:read', 'triggers:read'];
    const { id, token } = await product.operator.created(`/v1/orgs/${orgId}/access-tokens`, { name: 'e2e', scopes });
    return { id, token: String(token) };
  };
  const statuses = (token: string): Promise<number[]> => Promise.all(Object.values(services).map((ask) => ask(token)));

  beforeAll(async () => {
    product = await startInstallation(engine, [RegistryModule]);
    const [gateway, executions] = [await product.beside([GatewayModule]), await product.beside([ExecutionsModule])];
    ({ id: orgId } = await product.operator.created('/v1/organizations', { name: 'Clinic', cloudFunctionsEnabled: true }));
    const path = `/v1/orgs/${orgId}`;
    const event = { type: 'ChatOpened', orgId, timestamp: '2026-01-01T00:00:00.000Z', chatId: randomUUID() };
    const as = (address: string, token: string): Api => new Api(() => address, token);
    services['registry'] = async (token) => (await as(product.address, token).get(`${path}/triggers`)).status;
    services['executions'] = async (token) => (await as(executions, token).get(`${path}/executions`)).status;
    services['gateway'] = async (token) =>
      (await as(gateway, token).request('POST', `${path}/chat-events`, { ...event, id: randomUUID() })).status;
  });
  afterAll(() => product?.stop());

  it('is refused everywhere within a second of the answer to its deletion', async () => {
    const { id, token } = await makeToken();
    expect(await statuses(token)).toEqual([200, 200, 202]);
    expect((await product.operator.request('DELETE', `/v1/orgs/${orgId}/access-tokens/${id}`)).status).toBe(204);
    await eventually(async () => expect(await statuses(token)).toEqual([401, 401, 401]), 1_000);
  });

  it('is refused by every service that knows of anything later', async () => {
    const { id, token } = await makeToken();
    expect(await statuses(token)).toEqual([200, 200, 202]);
    await product.operator.request('DELETE', `/v1/orgs/${orgId}/access-tokens/${id}`);
    const later = await makeToken();
    expect(await statuses(later.token)).toEqual([200, 200, 202]);
    expect(await statuses(token)).toEqual([401, 401, 401]);
  });

  it('leaves its use, the deletion and the refusals in one chain', async () => {
    const { id, token } = await makeToken();
    expect(await statuses(token)).toEqual([200, 200, 202]);
    const path = `/v1/orgs/${orgId}/audit-log`;
    const told = async (query: string): Promise<{ action: string; details: object }[]> =>
      (await product.operator.get<{ data: { action: string; details: object }[] }>(`${path}?limit=100&${query}`)).body.data;
    await eventually(async () => expect(await told(`actor=${id}`)).toHaveLength(1));
    await product.operator.request('DELETE', `/v1/orgs/${orgId}/access-tokens/${id}`);
    await eventually(async () => expect(await statuses(token)).toEqual([401, 401, 401]));
    await eventually(async () => expect(await told(`actor=${id}&outcome=refused`)).toHaveLength(3));
    expect(await told(`actor=${id}&outcome=refused&action=access.refused`)).toMatchObject(
      Array(3).fill({ details: { code: 'token_revoked' } }),
    );
    expect((await told(`subjectId=${id}`)).map(({ action }) => action)).toEqual([
      'access-token.deleted',
      'access-token.used',
      'access-token.created',
    ]);
    expect((await product.operator.get(`${path}/verification`)).body).toMatchObject({ valid: true });
  });
});
