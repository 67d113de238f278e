/** One organization never sees, guesses or touches another's things: over HTTP, and below it in Postgres. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { scope } from '@cf/contract';
import pg from 'pg';
import { type Registry, type RegistryWorld, seedOrganization, startWorld } from './registry-fixture.js';

type Seeded = Awaited<ReturnType<typeof seedOrganization>>;

let world: RegistryWorld;
let call: Registry['call'];
let mine: Seeded;
let theirs: Seeded;
let token: string;
beforeAll(async () => {
  world = await startWorld();
  call = world.call;
  [mine, theirs] = await Promise.all([seedOrganization(world), seedOrganization(world)]);
  token = (await call('POST', `${mine.path}/access-tokens`, { body: { name: 'All', scopes: scope.options } })).body.token;
});
afterAll(() => world.end());

const writes = () => ({
  'registered-apis': { id: theirs.api.id as string, body: { name: 'A', baseUrl: 'https://a.test' } },
  'cloud-functions': { id: theirs.fn.id as string, body: { name: 'A', registeredApiId: theirs.api.id, endpointUrl: 'x' } },
  triggers: {
    id: theirs.trigger.id as string,
    body: { name: 'A', cloudFunctionId: theirs.fn.id, triggerEvents: [{ category: 'ChatStatus' }] },
  },
});

describe('another organization', () => {
  it.each(['registered-apis', 'cloud-functions', 'triggers'] as const)(
    'has no %s that a token can reach by its own path or by theirs',
    async (collection) => {
      const { id, body } = writes()[collection];
      for (const path of [mine.path, theirs.path]) {
        const target = `${path}/${collection}/${id}`;
        expect((await call('GET', target, { token })).status).toBe(404);
        expect((await call('DELETE', target, { token })).status).toBe(404);
        const own = { ...body, registeredApiId: mine.api.id, cloudFunctionId: mine.fn.id };
        const sent = Object.fromEntries(Object.entries(own).filter(([key]) => key in body));
        expect((await call('PUT', target, { token, body: sent, ifMatch: '*' })).status).toBe(404);
      }
      expect((await call('GET', `${theirs.path}/${collection}`, { token })).status).toBe(404);
      expect((await call('POST', `${theirs.path}/${collection}`, { token, body })).status).toBe(404);
      expect((await call('GET', `${theirs.path}/${collection}/${id}`)).status).toBe(200);
    },
  );

  it('lends nothing: a reference to its API or function names nothing', async () => {
    const stolenApi = await call('POST', `${mine.path}/cloud-functions`, { token, body: writes()['cloud-functions'].body });
    expect(stolenApi.body.errors).toEqual([expect.objectContaining({ pointer: '/registeredApiId', code: 'unknown_reference' })]);
    const stolenFunction = await call('POST', `${mine.path}/triggers`, { token, body: writes().triggers.body });
    expect(stolenFunction.body.errors).toEqual([expect.objectContaining({ pointer: '/cloudFunctionId', code: 'unknown_reference' })]);
  });

  it('is in no list, and its cursor is of no use', async () => {
    await call('POST', `${theirs.path}/cloud-functions`, { body: writes()['cloud-functions'].body });
    const { nextCursor } = (await call('GET', `${theirs.path}/cloud-functions?limit=1`)).body;
    const page = await call('GET', `${mine.path}/cloud-functions?limit=100&cursor=${nextCursor as string}`, { token });
    expect(page).toMatchObject({ status: 400, body: { code: 'invalid_cursor' } });
    const all = (await call('GET', `${mine.path}/cloud-functions`, { token })).body.data;
    expect(all.map(({ id }: { id: string }) => id)).toEqual([mine.fn.id]);
  });

  it('is hidden by Postgres itself, without any condition in the statement', async () => {
    const client = new pg.Client(world.database.url);
    await client.connect();
    try {
      for (const table of ['registered_apis', 'cloud_functions', 'triggers', 'access_tokens', 'changes']) {
        await client.query('BEGIN');
        await client.query(`SELECT set_config('role', 'cf_tenant', true)`);
        expect((await client.query(`SELECT * FROM registry.${table}`)).rows).toEqual([]);
        await client.query(`SELECT set_config('cf.org_id', $1, true)`, [mine.orgId]);
        const { rows } = await client.query<{ org_id: string }>(`SELECT org_id FROM registry.${table}`);
        expect(rows.every(({ org_id }) => org_id === mine.orgId)).toBe(true);
        expect((await client.query(`DELETE FROM registry.${table} WHERE org_id = $1`, [theirs.orgId])).rowCount).toBe(0);
        await client.query('ROLLBACK');
      }
    } finally {
      await client.end();
    }
  });
});
