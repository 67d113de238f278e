/**
 * The way from a write to its topic, through HTTP, Postgres and the log. Real: the registry, Postgres, the sessions and locks of
 * the relay. The log is the embedded one over memory; the way to it can be cut.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { registryChanges, registryTriggers } from '@cf/contract';
import { KeyRing } from '@cf/service-kit';
import { createTestDatabase, eventually } from '@cf/testing';
import pg from 'pg';
import { type Registry, type RegistryWorld, seedOrganization, startRegistry, startWorld, TestLog } from './registry-fixture.js';

let world: RegistryWorld;
let call: Registry['call'];
let client: pg.Client;
beforeAll(async () => {
  process.env['REGISTRY_PROPAGATION_WAIT_MS'] = '1000';
  process.env['REGISTRY_TOMBSTONE_AFTER_MS'] = '1500';
  world = await startWorld();
  call = world.call;
  client = new pg.Client(world.database.url);
  client.on('error', () => undefined);
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await world.end();
  delete process.env['REGISTRY_PROPAGATION_WAIT_MS'];
  delete process.env['REGISTRY_TOMBSTONE_AFTER_MS'];
});

const versionsOf = async (id: string): Promise<(number | null)[]> =>
  (await world.log.changesOf(id)).map((change) => change?.version ?? null);
const lastOf = async (id: string, log = world.log) => (await log.changesOf(id)).at(-1);

describe('a write', () => {
  it('is on its topic, whole, when it is answered', async () => {
    const { orgId, api, fn, trigger, path } = await seedOrganization(world);
    expect(await lastOf(orgId)).toMatchObject({
      type: 'organization',
      version: 1,
      deleted: false,
      resource: { id: orgId, cloudFunctionsEnabled: true },
    });
    expect(await lastOf(api.id)).toMatchObject({ type: 'registered-api', version: 1, resource: { orgId, baseUrl: api.baseUrl } });
    expect(await lastOf(trigger.id)).toMatchObject({
      type: 'trigger',
      version: 1,
      resource: { cloudFunctionId: fn.id, loopGuardLimit: null },
    });
    expect(registryChanges.schema.safeParse(await lastOf(fn.id)).success).toBe(true);
    expect(registryTriggers.schema.safeParse(await lastOf(trigger.id)).success).toBe(true);
    expect((await world.log.records(registryTriggers.name)).some(({ key }) => key === trigger.id)).toBe(true);

    const body = { name: 'Renamed', registeredApiId: api.id, endpointUrl: 'x' };
    const put = await call('PUT', `${path}/cloud-functions/${fn.id}`, { body, ifMatch: '"1"' });
    expect(put.headers.get('x-propagation')).toBeNull();
    expect(put.body.propagation).toBeUndefined();
    expect(await lastOf(fn.id)).toMatchObject({ version: 2, resource: { name: 'Renamed' } });
  });

  it('that deletes is said as such, and its record goes later', async () => {
    const { path, trigger } = await seedOrganization(world);
    expect((await call('DELETE', `${path}/triggers/${trigger.id}`)).status).toBe(204);
    expect(await lastOf(trigger.id)).toEqual({ type: 'trigger', id: trigger.id, version: 2, deleted: true, resource: null });
    await eventually(async () => expect(await lastOf(trigger.id)).toBeNull());
  });

  it('puts no secret on a topic or into a table in clear', async () => {
    const { path } = await seedOrganization(world);
    const secrets = [randomUUID(), randomUUID(), randomUUID()];
    const made = await call('POST', `${path}/registered-apis`, {
      body: {
        name: 'A',
        baseUrl: 'https://a.test',
        headers: [{ name: 'X-Key', value: secrets[0], secret: true }],
        authorization: { type: 'BearerToken', token: secrets[1] },
      },
    });
    const body = { name: 'F', registeredApiId: made.body.id, endpointUrl: 'x', signing: { enabled: true, secret: secrets[2] } };
    expect((await call('POST', `${path}/cloud-functions`, { body })).status).toBe(201);
    const { token } = (await call('POST', `${path}/access-tokens`, { body: { name: 'T', scopes: ['triggers:read'] } })).body;
    const { rows } = await client.query(`SELECT (SELECT json_agg(a) FROM registry.registered_apis a)::text
      || (SELECT json_agg(f) FROM registry.cloud_functions f)::text || (SELECT json_agg(t) FROM registry.access_tokens t)::text AS everything`);
    const records = await world.log.records(registryChanges.name);
    const everything = `${rows[0].everything as string}${JSON.stringify(records)}`;
    expect(everything).toContain(made.body.id);
    for (const hidden of [...secrets, token]) expect(everything).not.toContain(hidden);
  });

  it('of many to one resource puts its versions on the topic in order', async () => {
    const { path, fn, api } = await seedOrganization(world);
    const body = { name: 'F', registeredApiId: api.id, endpointUrl: 'x' };
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => call('PUT', `${path}/cloud-functions/${fn.id}`, { body, ifMatch: '*' })),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await versionsOf(fn.id)).toEqual(Array.from({ length: 41 }, (_, index) => index + 1));
  });
});

describe('while the broker is away', () => {
  it('writes are saved and answered as pending, and follow in order', async () => {
    const { path, fn, api } = await seedOrganization(world);
    world.log.reachable = false;
    const body = { name: 'Away', registeredApiId: api.id, endpointUrl: 'x' };
    const put = await call('PUT', `${path}/cloud-functions/${fn.id}`, { body, ifMatch: '"1"' });
    expect([put.status, put.headers.get('x-propagation'), put.body.propagation, put.etag]).toEqual([200, 'pending', 'pending', '"2"']);
    const made = await call('POST', `${path}/registered-apis`, { body: { name: 'A', baseUrl: 'https://a.test' } });
    expect([made.status, made.body.propagation]).toEqual([201, 'pending']);
    const deleted = await call('DELETE', `${path}/registered-apis/${made.body.id}`);
    expect([deleted.status, deleted.headers.get('x-propagation')]).toEqual([204, 'pending']);
    expect((await call('GET', `${path}/cloud-functions/${fn.id}`)).body).toMatchObject({ name: 'Away' });
    expect(await versionsOf(fn.id)).toEqual([1]);
    world.log.reachable = true;
    await eventually(async () => expect(await lastOf(fn.id)).toMatchObject({ version: 2 }));
    await eventually(async () => expect(await versionsOf(made.body.id)).toEqual([1, 2, null]));
  });

  it('a restart of the registry loses nothing', async () => {
    const database = await createTestDatabase();
    const log = new TestLog();
    await log.start();
    const before = await startRegistry(database, log.log);
    const { path } = await seedOrganization(before);
    log.reachable = false;
    const made = await before.call('POST', `${path}/registered-apis`, { body: { name: 'A', baseUrl: 'https://a.test' } });
    await before.stop();
    expect(await log.changesOf(made.body.id)).toEqual([]);
    log.reachable = true;
    const after = await startRegistry(database, log.log);
    await eventually(async () => expect(await lastOf(made.body.id, log)).toMatchObject({ version: 1, resource: { name: 'A' } }));
    await after.stop();
    await log.embedded.close();
    await database.drop();
  });
});

describe('the relay', () => {
  it('finds a change whose transaction committed after later ones', async () => {
    const { path, orgId } = await seedOrganization(world);
    const late = { type: 'organization', id: randomUUID(), version: 1, deleted: true, resource: null };
    await client.query('BEGIN');
    const insert = 'INSERT INTO registry.changes (org_id, topic, resource_id, version, value) VALUES ($1, $2, $3, 1, $4)';
    await client.query(insert, [orgId, registryChanges.name, late.id, JSON.stringify(late)]);
    const made = await call('POST', `${path}/registered-apis`, { body: { name: 'A', baseUrl: 'https://a.test' } });
    expect(made.body.propagation).toBeUndefined();
    await client.query('COMMIT');
    await eventually(async () => expect(await lastOf(late.id)).toEqual(late));
  });

  it('opens another session when it loses its own', async () => {
    const { path } = await seedOrganization(world);
    const { rowCount } = await client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 25446 AND objid = 1 AND granted
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    );
    expect(rowCount).toBe(1);
    await eventually(async () => {
      const made = await call('POST', `${path}/registered-apis`, { body: { name: 'A', baseUrl: 'https://a.test' } });
      expect([made.status, made.body.propagation]).toEqual([201, undefined]);
    });
  });

  it('is one of several: a write at any registry is acknowledged, and another one takes over', async () => {
    const database = await createTestDatabase();
    const log = new TestLog();
    await log.start();
    const leader = await startRegistry(database, log.log);
    const { path } = await seedOrganization(leader);
    const follower = await startRegistry(database, log.log);
    const create = (registry: Registry) =>
      registry.call('POST', `${path}/registered-apis`, { body: { name: 'A', baseUrl: 'https://a.test' } });
    for (const registry of [leader, follower]) expect(await create(registry)).toMatchObject({ status: 201, body: { name: 'A' } });
    expect((await create(follower)).body.propagation).toBeUndefined();
    await leader.stop();
    const taken = await create(follower);
    expect(taken.status).toBe(201);
    await eventually(async () => expect(await lastOf(taken.body.id, log)).toMatchObject({ version: 1 }));
    await eventually(async () => expect((await create(follower)).body.propagation).toBeUndefined());
    await follower.stop();
    await log.embedded.close();
    await database.drop();
  });
});

describe('a start', () => {
  it('without a key that secrets are sealed with names that key', async () => {
    const { path } = await seedOrganization(world);
    const authorization = { type: 'BearerToken', token: 'x' };
    await call('POST', `${path}/registered-apis`, { body: { name: 'A', baseUrl: 'https://a.test', authorization } });
    const other = { ENCRYPTION_KEYS: KeyRing.make('k2') };
    await expect(startRegistry(world.database, world.log.log, other)).rejects.toThrow('ENCRYPTION_KEYS: lacks k1');
  });
});

describe('a topic that is wrong', () => {
  const publish = (topic: string, key: string, value: object | string | null) =>
    world.log.publish({ topic, key, value: typeof value === 'object' && value !== null ? JSON.stringify(value) : value });

  it('gets the present state again behind an old one', async () => {
    const { path, fn, api } = await seedOrganization(world);
    const old = await lastOf(fn.id);
    const body = { name: 'New', registeredApiId: api.id, endpointUrl: 'x' };
    await call('PUT', `${path}/cloud-functions/${fn.id}`, { body, ifMatch: '"1"' });
    await publish(registryChanges.name, fn.id, old ?? null);
    await eventually(async () => expect(await lastOf(fn.id)).toMatchObject({ version: 2, resource: { name: 'New' } }));
  });

  it('gets it also behind nonsense and behind a tombstone', async () => {
    const { fn, trigger } = await seedOrganization(world);
    await publish(registryChanges.name, fn.id, '{"version":1}');
    await publish(registryTriggers.name, trigger.id, null);
    await eventually(async () => expect(await lastOf(fn.id)).toMatchObject({ version: 1, deleted: false }));
    await eventually(async () => expect(await lastOf(trigger.id)).toMatchObject({ version: 1, deleted: false }));
  });

  it('hears again of what was deleted', async () => {
    const { path, trigger } = await seedOrganization(world);
    const old = await lastOf(trigger.id);
    await call('DELETE', `${path}/triggers/${trigger.id}`);
    await publish(registryTriggers.name, trigger.id, old ?? null);
    await eventually(async () => expect(await lastOf(trigger.id)).toMatchObject({ version: 2, deleted: true }));
  });

  it('does not take a version back when the database was restored', async () => {
    const { path, fn, api } = await seedOrganization(world);
    const newest = { ...(await lastOf(fn.id)), version: 7 };
    await publish(registryChanges.name, fn.id, newest);
    await eventually(async () => expect(await lastOf(fn.id)).toMatchObject({ version: 8 }));
    const body = { name: 'New', registeredApiId: api.id, endpointUrl: 'x' };
    expect((await call('PUT', `${path}/cloud-functions/${fn.id}`, { body, ifMatch: '"8"' })).etag).toBe('"9"');
  });

  it('is filled when it is new', async () => {
    const seeded = await seedOrganization(world);
    await call('DELETE', `${seeded.path}/triggers/${seeded.trigger.id}`);
    await world.stop();
    const log = new TestLog();
    await log.start();
    const registry = await startRegistry(world.database, log.log);
    await eventually(async () => expect(await lastOf(seeded.fn.id, log)).toMatchObject({ version: 1, deleted: false }));
    await eventually(async () => expect((await registry.call('GET', `${seeded.path}/cloud-functions`)).status).toBe(200));
    const keys = new Set((await log.records(registryChanges.name)).filter(({ value }) => value !== null).map(({ key }) => key));
    const { rows } = await client.query<{
      id: string;
    }>(`SELECT id FROM registry.organizations UNION ALL SELECT id FROM registry.access_tokens
      UNION ALL SELECT id FROM registry.registered_apis UNION ALL SELECT id FROM registry.cloud_functions`);
    expect(rows.filter(({ id }) => !keys.has(id))).toEqual([]);
    await registry.stop();
    await log.embedded.close();
  });
});
