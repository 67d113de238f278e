/** TLS, copies and the lock of Registered APIs, over HTTP on a real Postgres. */
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RegisteredApi } from '@cf/contract';
import { testCertificate } from '@cf/testing';
import { type Answer, type Registry, type RegistryWorld, seedOrganization, startWorld } from './registry-fixture.js';

let world: RegistryWorld;
let call: Registry['call'];
beforeAll(async () => {
  world = await startWorld();
  call = world.call;
});
afterAll(() => world.end());

const pointers = (answer: Answer): string[] =>
  (answer.body.errors as { pointer: string; code: string }[]).map(({ pointer, code }) => `${pointer} ${code}`);

/** What the topic says of an API last, and how its secrets read in clear. */
const published = async (id: string): Promise<{ api: RegisteredApi; open: (sealed: string) => string }> => {
  const [last] = (await world.log.changesOf(id)).slice(-1);
  if (last?.type !== 'registered-api' || last.resource === null) throw new Error('nothing was published');
  const api = last.resource;
  return { api, open: (sealed) => world.keyRing.open(sealed, `${api.orgId}:${api.id}`) };
};

const { cert, key } = testCertificate;
const tls = { caBundle: cert, clientCertificate: cert, clientKey: key };
const body = { name: 'Partner', baseUrl: 'https://partner.example.com/v1' };

describe('TLS of a Registered API', () => {
  it('is saved, its key never answered and kept when left out', async () => {
    const { path } = await seedOrganization(world);
    const made = await call('POST', `${path}/registered-apis`, { body: { ...body, tls } });
    expect([made.status, made.body.tls]).toEqual([201, { caBundle: cert, clientCertificate: cert, clientKey: { isSet: true } }]);
    const target = `${path}/registered-apis/${made.body.id as string}`;
    const first = await published(made.body.id);
    expect(JSON.stringify(first.api)).not.toContain('PRIVATE KEY');
    expect(first.open(first.api.tls.sealedClientKey ?? '')).toBe(key);

    const leftOut = { ...body, tls: { clientCertificate: cert } };
    const put = await call('PUT', target, { body: leftOut, ifMatch: made.etag });
    expect([put.status, put.body.tls]).toEqual([200, { caBundle: null, clientCertificate: cert, clientKey: { isSet: true } }]);
    const echoed = await call('PUT', target, { body: { ...body, tls: put.body.tls }, ifMatch: put.etag });
    expect([echoed.status, echoed.body.tls]).toEqual([200, put.body.tls]);
    const second = await published(made.body.id);
    expect(second.open(second.api.tls.sealedClientKey ?? '')).toBe(key);

    const gone = await call('PUT', target, { body, ifMatch: '*' });
    expect(gone.body.tls).toEqual({ caBundle: null, clientCertificate: null, clientKey: { isSet: false } });
    expect((await published(made.body.id)).api.tls.sealedClientKey).toBeNull();
    expect((await call('PUT', target, { body: { ...body, tls: gone.body.tls }, ifMatch: '*' })).status).toBe(200);
    expect(pointers(await call('PUT', target, { body: leftOut, ifMatch: '*' }))).toEqual(['/tls/clientKey secret_required']);
  });

  it('asks for the key again when it would be shown to somebody else', async () => {
    const { path } = await seedOrganization(world);
    const made = await call('POST', `${path}/registered-apis`, { body: { ...body, tls } });
    const moved = { ...body, baseUrl: 'https://evil.example.com', tls: { ...tls, clientKey: undefined } };
    const refused = await call('PUT', `${path}/registered-apis/${made.body.id as string}`, { body: moved, ifMatch: '*' });
    expect([refused.status, ...pointers(refused)]).toEqual([400, '/tls/clientKey secret_required']);
  });

  it('holds a new certificate against the key that is kept', async () => {
    const { path } = await seedOrganization(world);
    const made = await call('POST', `${path}/registered-apis`, { body: { ...body, tls } });
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const other = privateKey.export({ type: 'pkcs8', format: 'pem' });
    const target = `${path}/registered-apis/${made.body.id as string}`;
    const refused = await call('PUT', target, { body: { ...body, tls: { ...tls, clientKey: other } }, ifMatch: '*' });
    expect([refused.status, ...pointers(refused)]).toEqual([400, '/tls/clientKey key_mismatch']);
    const removed = await call('PUT', target, { body: { ...body, tls: { ...tls, clientKey: null } }, ifMatch: '*' });
    expect([removed.status, ...pointers(removed)]).toEqual([400, '/tls/clientKey secret_required']);
  });

  it.each([
    [{ caBundle: 'x' }, '/tls/caBundle invalid_certificate'],
    [{ caBundle: cert + key }, '/tls/caBundle holds_private_key'],
    [{ caBundle: ' '.repeat(65_537) }, '/tls/caBundle too_big'],
    [{ clientCertificate: key, clientKey: key }, '/tls/clientCertificate holds_private_key'],
    [{ clientCertificate: cert }, '/tls/clientKey required'],
    [{ clientCertificate: cert, clientKey: 'x' }, '/tls/clientKey invalid_key'],
    [{ clientKey: key }, '/tls/clientCertificate required'],
    [{ verify: false }, '/tls/verify unknown_key'],
  ])('refuses %#', async (part, expected) => {
    const { path } = await seedOrganization(world);
    const answer = await call('POST', `${path}/registered-apis`, { body: { ...body, tls: part } });
    expect(answer.status).toBe(400);
    expect(pointers(answer)).toContain(expected);
    expect(JSON.stringify(answer.body)).not.toContain('MIG');
  });
});

describe('a copy', () => {
  const secretive = {
    ...body,
    isReadOnly: true,
    headers: [
      { name: 'X-Key', value: 'hidden-header', secret: true },
      { name: 'X-Plain', value: 'seen' },
    ],
    authorization: { type: 'OAuth', accessTokenUrl: 'https://login.example.com/token', clientId: 'id', clientSecret: 'hidden-client' },
    tls,
  };

  it('of a locked API can be edited and has all its secrets, sealed for itself', async () => {
    const { path } = await seedOrganization(world);
    const original = await call('POST', `${path}/registered-apis`, { body: secretive });
    const source = `${path}/registered-apis/${original.body.id as string}`;
    const copy = await call('POST', `${source}/copies`, { body: { name: 'Mine' } });
    expect([copy.status, copy.etag]).toEqual([201, '"1"']);
    const { id, createdAt, updatedAt } = copy.body;
    expect(copy.body).toEqual({ ...original.body, id, name: 'Mine', isReadOnly: false, createdAt, updatedAt });
    expect(id).not.toBe(original.body.id);

    const { api, open } = await published(id);
    const [header] = api.headers;
    expect(header?.secret === true && open(header.sealedValue)).toBe('hidden-header');
    expect(api.authorization.type === 'OAuth' && open(api.authorization.sealedClientSecret)).toBe('hidden-client');
    expect(open(api.tls.sealedClientKey ?? '')).toBe(key);
    expect(() => world.keyRing.open(api.tls.sealedClientKey ?? '', `${api.orgId}:${original.body.id as string}`)).toThrow();

    const edited = {
      ...secretive,
      isReadOnly: false,
      headers: [{ name: 'X-Key', secret: true }],
      tls: {},
      authorization: { type: 'None' },
    };
    expect((await call('PUT', `${path}/registered-apis/${id as string}`, { body: edited, ifMatch: copy.etag })).status).toBe(200);
    expect((await call('PUT', source, { body: edited, ifMatch: '*' })).body.code).toBe('locked');
  });

  it('needs no body, and is named after its original', async () => {
    const { path, api } = await seedOrganization(world);
    const source = `${path}/registered-apis/${api.id as string}/copies`;
    expect((await call('POST', source)).body).toMatchObject({ name: 'Copy of Scheduler', baseUrl: api.baseUrl });
    expect((await call('POST', source, { body: {} })).status).toBe(201);
    expect(pointers(await call('POST', source, { body: { isReadOnly: true } }))).toEqual(['/isReadOnly unknown_key']);
    const long = await call('POST', `${path}/registered-apis`, { body: { ...body, name: `${'x'.repeat(191)}😀😀` } });
    const copy = await call('POST', `${path}/registered-apis/${long.body.id as string}/copies`);
    expect(copy.body.name).toBe(`Copy of ${'x'.repeat(191)}`);
  });

  it('is made of one’s own only, and with the scope to write', async () => {
    const [mine, other] = [await seedOrganization(world), await seedOrganization(world)];
    expect((await call('POST', `${mine.path}/registered-apis/${other.api.id as string}/copies`)).status).toBe(404);
    expect((await call('POST', `${mine.path}/registered-apis/${randomUUID()}/copies`)).status).toBe(404);
    const { token } = (await call('POST', `${mine.path}/access-tokens`, { body: { name: 'A', scopes: ['registered-apis:read'] } })).body;
    const refused = await call('POST', `${mine.path}/registered-apis/${mine.api.id as string}/copies`, { token });
    expect([refused.status, refused.body.code]).toEqual([403, 'missing_scope']);
  });
});
