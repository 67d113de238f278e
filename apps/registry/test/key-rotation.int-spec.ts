/** A key rotation over HTTP, on a real Postgres. Calls that go on meanwhile: apps/e2e/test/key-rotation.e2e-spec.ts. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { CloudFunction, RegisteredApi } from '@cf/contract';
import { KeyRing } from '@cf/service-kit';
import { createTestDatabase, testCertificate, type TestDatabase } from '@cf/testing';
import pg from 'pg';
import { type Registry, seedOrganization, startRegistry, TestLog } from './registry-fixture.js';

const [OLD, NEW] = [KeyRing.make('old'), KeyRing.make('new')];

let database: TestDatabase;
let sql: pg.Client;
let log: TestLog;
let registry: Registry | null = null;

const startWith = async (ring: string): Promise<Registry> => {
  await registry?.stop();
  registry = null;
  registry = await startRegistry(database, log.log, { ENCRYPTION_KEYS: ring });
  return registry;
};

beforeEach(async () => {
  database = await createTestDatabase();
  sql = new pg.Client(database.url);
  await sql.connect();
  log = new TestLog();
  await log.start();
});
afterEach(async () => {
  await registry?.stop();
  registry = null;
  await sql.end();
  await log.embedded.close();
  await database.drop();
});

const latest = async <T>(id: string): Promise<T> => {
  const [last] = (await log.changesOf(id)).slice(-1);
  return last?.resource as T;
};

describe('a key rotation', () => {
  it('seals everything with the first key and says which key may go', async () => {
    const before = await startWith(OLD);
    const { path, orgId } = await seedOrganization(before);
    const body = {
      name: 'CRM',
      baseUrl: 'https://crm.example.com',
      headers: [{ name: 'X-Key', value: 'the-header', secret: true }],
      authorization: { type: 'Basic', username: 'u', password: 'the-password' },
      tls: { clientCertificate: testCertificate.cert, clientKey: testCertificate.key },
    };
    const api = (await before.call('POST', `${path}/registered-apis`, { body })).body;
    const fnBody = { name: 'F', registeredApiId: api.id, endpointUrl: 'x' };
    const fn = (await before.call('POST', `${path}/cloud-functions`, { body: { ...fnBody, signing: { enabled: true, secret: 'one' } } }))
      .body;
    const put = { body: { ...fnBody, signing: { enabled: true, secret: 'two' } }, ifMatch: '*' };
    await before.call('PUT', `${path}/cloud-functions/${fn.id as string}`, put);

    const { call } = await startWith(`${NEW},${OLD}`);
    const rotated = await call('POST', '/v1/key-rotations');
    expect([rotated.status, rotated.body]).toEqual([
      200,
      { sealingKey: 'new', resealed: 2, keysInUse: ['new'], keysToRemove: ['old'], done: true },
    ]);
    const ring = KeyRing.parse(NEW);
    const open = (id: string) => (sealed: string) => ring.open(sealed, `${orgId}:${id}`);
    const { headers, authorization, tls } = await latest<RegisteredApi>(api.id);
    const secrets = [
      headers[0]?.secret === true ? headers[0].sealedValue : '',
      authorization.type === 'Basic' ? authorization.sealedPassword : '',
      tls.sealedClientKey ?? '',
    ];
    expect(secrets.map(open(api.id))).toEqual(['the-header', 'the-password', testCertificate.key]);
    const { signing } = await latest<CloudFunction>(fn.id);
    expect([signing.sealedSecret ?? '', signing.previous?.sealedSecret ?? ''].map(open(fn.id))).toEqual(['two', 'one']);
    expect((await call('GET', `${path}/registered-apis/${api.id as string}`)).etag).toBe('"2"');
    expect((await call('POST', '/v1/key-rotations', { body: {} })).body).toMatchObject({ resealed: 0, done: true });
    const told = await call('GET', '/v1/audit-log?action=encryption-keys.rotated');
    expect(told.body.data[1]).toMatchObject({ subject: { id: 'new' }, details: { resealed: 2, done: true } });

    const after = await startWith(NEW);
    expect((await after.call('GET', `${path}/registered-apis/${api.id as string}`)).body.authorization.password).toEqual({ isSet: true });
    await expect(startWith(OLD)).rejects.toThrow('ENCRYPTION_KEYS: lacks new');
  });

  it('passes by what is being edited, and says that it is not done', async () => {
    const { path } = await seedOrganization(await startWith(OLD));
    const body = { name: 'A', baseUrl: 'https://a.test', authorization: { type: 'BearerToken', token: 't' } };
    const ids: string[] = [];
    for (let count = 0; count < 3; count++) ids.push((await registry!.call('POST', `${path}/registered-apis`, { body })).body.id);
    const { call } = await startWith(`${NEW},${OLD}`);
    await sql.query('BEGIN');
    await sql.query('SELECT 1 FROM registry.registered_apis WHERE id = $1 FOR UPDATE', [ids[1]]);
    expect((await call('POST', '/v1/key-rotations')).body).toEqual({
      sealingKey: 'new',
      resealed: 2,
      keysInUse: ['new', 'old'],
      keysToRemove: [],
      done: false,
    });
    await sql.query('ROLLBACK');
    expect((await call('POST', '/v1/key-rotations')).body).toMatchObject({ resealed: 1, keysToRemove: ['old'], done: true });
  });

  it('goes on where its time was over, batch by batch', async () => {
    const { orgId } = await seedOrganization(await startWith(OLD));
    const ring = KeyRing.parse(OLD);
    const rows = Array.from({ length: 250 }, () => {
      const id = randomUUID();
      return { id, authorization: JSON.stringify({ type: 'BearerToken', sealedToken: ring.seal('t', `${orgId}:${id}`) }) };
    });
    await sql.query(
      `INSERT INTO registry.registered_apis (id, org_id, name, base_url, is_read_only, headers, "authorization", version, created_at, updated_at)
       SELECT id, $1, 'A', 'https://a.test', true, '[]', "authorization", 1, now(), now() FROM unnest($2::uuid[], $3::json[]) AS given (id, "authorization")`,
      [orgId, rows.map(({ id }) => id), rows.map(({ authorization }) => authorization)],
    );
    process.env['REGISTRY_KEY_ROTATION_MS'] = '1';
    const { call } = await startWith(`${NEW},${OLD}`).finally(() => delete process.env['REGISTRY_KEY_ROTATION_MS']);
    const rotations: number[] = [];
    for (let done = false; !done; ) {
      const { body } = await call('POST', '/v1/key-rotations');
      rotations.push(body.resealed);
      done = body.done;
    }
    expect(Math.max(...rotations)).toBeLessThanOrEqual(100);
    expect(rotations.reduce((sum, each) => sum + each, 0)).toBe(250);
    expect(await latest<RegisteredApi>(rows[0]!.id)).toMatchObject({ isReadOnly: true, name: 'A' });
  });

  it('is for operators only', async () => {
    const { call } = await startWith(OLD);
    const { path } = await seedOrganization(registry!);
    const { token } = (await call('POST', `${path}/access-tokens`, { body: { name: 'A', scopes: ['registered-apis:write'] } })).body;
    expect((await call('POST', '/v1/key-rotations', { token })).body.code).toBe('operators_only');
  });
});
