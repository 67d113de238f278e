/** A database with the data of the first release, migrated; and the first release's own statements on the schema of today. */
import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { accessTokenText, registryChanges } from '@cf/contract';
import { createDatabase } from '@cf/persistence';
import { KeyRing } from '@cf/service-kit';
import { createTestDatabase, eventually, type TestDatabase } from '@cf/testing';
import pg from 'pg';
import { CreateRegistry1700000000001 } from '../src/database/migrations/create-registry-1700000000001.js';
import { type Registry, startRegistry, TestLog } from './registry-fixture.js';

const RING = KeyRing.make('k1');
const keyRing = KeyRing.parse(RING);

let database: TestDatabase;
let sql: pg.Client;
let log: TestLog;
let registry: Registry;

/** Names the columns of the first release and no others, as its INSERT statements do. */
const insert = async (table: string, row: Record<string, unknown>): Promise<void> => {
  const stamps = { version: 1, created_at: new Date(), updated_at: new Date() };
  const columns = Object.entries({ ...row, ...(table !== 'changes' && stamps) });
  const values = columns.map(([, value]) =>
    typeof value === 'object' && value !== null && !(value instanceof Date) ? JSON.stringify(value) : value,
  );
  await sql.query(
    `INSERT INTO registry.${table} (${columns.map(([name]) => `"${name}"`).join()}) VALUES (${columns.map((_, index) => `$${index + 1}`).join()})`,
    values,
  );
};

/** One organization with everything in it, as the first release wrote it. */
const writeAsFirstRelease = async () => {
  const [orgId, apiId, fnId, triggerId] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  const token = accessTokenText(randomUUID().replaceAll('-', '').padEnd(40, '0'));
  const sealed = (plain: string, id: string): string => keyRing.seal(plain, `${orgId}:${id}`);
  await insert('organizations', { id: orgId, name: 'Clinic', cloud_functions_enabled: true });
  const hash = createHash('sha256').update(token).digest('hex');
  await insert('access_tokens', { id: randomUUID(), org_id: orgId, name: 'CI', hash, scopes: ['cloud-functions:read'] });
  await insert('registered_apis', {
    id: apiId,
    org_id: orgId,
    name: 'CRM',
    base_url: 'https://crm.example.com',
    is_read_only: false,
    headers: [{ name: 'X-Key', secret: true, sealedValue: sealed('the-header', apiId) }],
    authorization: { type: 'Basic', username: 'u', sealedPassword: sealed('the-password', apiId) },
  });
  await insert('cloud_functions', {
    id: fnId,
    org_id: orgId,
    name: 'Schedule',
    registered_api_id: apiId,
    endpoint_url: 'schedule',
    branch_options: ['Yes'],
    enabled: true,
    timeout_ms: 10_000,
    max_concurrency: 50,
    signing: { enabled: true, sealedSecret: sealed('the-signing-secret', fnId) },
  });
  await insert('triggers', {
    id: triggerId,
    org_id: orgId,
    name: 'Opened',
    action_type: 'CloudFunction',
    cloud_function_id: fnId,
    enabled: true,
    trigger_events: [{ category: 'ChatStatus', filters: [] }],
    loop_guard_limit: null,
  });
  const resource = { id: orgId, name: 'Clinic', cloudFunctionsEnabled: true };
  const value = JSON.stringify({ type: 'organization', id: orgId, version: 1, deleted: false, resource });
  await insert('changes', { org_id: orgId, topic: registryChanges.name, resource_id: orgId, version: 1, value });
  return { orgId, apiId, fnId, triggerId, path: `/v1/orgs/${orgId}` };
};
type Written = Awaited<ReturnType<typeof writeAsFirstRelease>>;

let before: Written;
beforeAll(async () => {
  database = await createTestDatabase();
  sql = new pg.Client(database.url);
  await sql.connect();
  log = new TestLog();
  await log.start();
  const firstRelease = createDatabase({
    url: database.url,
    schema: 'registry',
    entities: [],
    migrations: [CreateRegistry1700000000001],
    name: 'first release',
  });
  await firstRelease.start();
  before = await writeAsFirstRelease();
  await firstRelease.stop();
  registry = await startRegistry(database, log.log, { ENCRYPTION_KEYS: RING });
});
afterAll(async () => {
  await registry?.stop();
  await sql.end();
  await log.embedded.close();
  await database.drop();
});

const isWhole = async ({ orgId, apiId, fnId, triggerId, path }: Written): Promise<void> => {
  const { call } = registry;
  await eventually(async () => expect((await call('GET', `${path}/triggers`)).status).toBe(200));
  expect((await call('GET', `/v1/organizations/${orgId}`)).body).toMatchObject({ name: 'Clinic', cloudFunctionsEnabled: true });
  expect((await call('GET', `${path}/registered-apis/${apiId}`)).body).toMatchObject({
    authorization: { type: 'Basic', username: 'u', password: { isSet: true } },
    tls: { caBundle: null, clientCertificate: null, clientKey: { isSet: false } },
  });
  expect((await call('GET', `${path}/cloud-functions/${fnId}`)).body).toMatchObject({
    signing: { enabled: true, scheme: 'medchat', secret: { isSet: true }, previousExpiresAt: null },
    triggersPaused: false,
    circuitResetAt: null,
  });
  expect((await call('GET', `${path}/triggers/${triggerId}`)).body).toMatchObject({ name: 'Opened', enabled: true });
  expect((await call('GET', `${path}/access-tokens`)).body.data).toMatchObject([{ name: 'CI', scopes: ['cloud-functions:read'] }]);
};

describe('what the first release wrote', () => {
  it('is read as it was, with the defaults of what came later', () => isWhole(before));

  it('is published where it still waited', async () => {
    const [change] = await eventually(async () => {
      const changes = await log.changesOf(before.orgId);
      expect(changes).not.toEqual([]);
      return changes;
    });
    expect(registryChanges.schema.parse(change)).toMatchObject({ version: 1, resource: { name: 'Clinic' } });
  });

  it('is edited with its secrets kept, and rotated like any other', async () => {
    const { apiId, fnId, path, orgId } = before;
    const api = {
      name: 'CRM',
      baseUrl: 'https://crm.example.com/v2',
      headers: [{ name: 'X-Key', secret: true }],
      authorization: { type: 'Basic', username: 'u' },
    };
    const fn = { name: 'Schedule', registeredApiId: apiId, endpointUrl: 'schedule', signing: { enabled: true, secret: 'a-new-secret' } };
    const apiPut = await registry.call('PUT', `${path}/registered-apis/${apiId}`, { body: api, ifMatch: '"1"' });
    const fnPut = await registry.call('PUT', `${path}/cloud-functions/${fnId}`, { body: fn, ifMatch: '"1"' });
    expect([apiPut.etag, fnPut.etag]).toEqual(['"2"', '"2"']);
    const [apiChange] = (await log.changesOf(apiId)).slice(-1);
    const [fnChange] = (await log.changesOf(fnId)).slice(-1);
    if (apiChange?.type !== 'registered-api' || fnChange?.type !== 'cloud-function') throw new Error('nothing was published');
    const { authorization } = apiChange.resource!;
    expect(authorization.type === 'Basic' && keyRing.open(authorization.sealedPassword, `${orgId}:${apiId}`)).toBe('the-password');
    expect(keyRing.open(fnChange.resource!.signing.previous?.sealedSecret ?? '', `${orgId}:${fnId}`)).toBe('the-signing-secret');
  });
});

describe('the first release on the schema of today', () => {
  it('writes as it did, and this release reads it', async () => {
    await isWhole(await writeAsFirstRelease());
  });

  it('edits a row without touching what it does not know', async () => {
    const { fnId, path } = before;
    await registry.call('POST', `${path}/cloud-functions/${fnId}/pause`);
    await sql.query(`UPDATE registry.cloud_functions SET name = 'Renamed', version = version + 1, updated_at = now() WHERE id = $1`, [
      fnId,
    ]);
    expect((await registry.call('GET', `${path}/cloud-functions/${fnId}`)).body).toMatchObject({ name: 'Renamed', triggersPaused: true });
  });
});
