/** Idempotency-Key on the registry's POST routes: one resource and one answer per key, whatever happens in between. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@cf/testing';
import pg from 'pg';
import { type Answer, type Registry, type RegistryWorld, seedOrganization, startWorld } from './registry-fixture.js';

let world: RegistryWorld;
let call: Registry['call'];
let database: pg.Client;
beforeAll(async () => {
  world = await startWorld();
  call = world.call;
  database = new pg.Client(world.database.url);
  await database.connect();
});
afterAll(async () => {
  await database.end();
  await world.end();
});

const apiBody = { name: 'CRM', baseUrl: 'https://crm.example.com' };
const isReplayed = ({ headers }: Answer): boolean => headers.get('idempotency-replayed') === 'true';

describe('the same key twice', () => {
  it('gives the very same answer, and one resource', async () => {
    const { path } = await seedOrganization(world);
    const post = () => call('POST', `${path}/registered-apis`, { body: apiBody, idempotencyKey: 'k-1' });
    const [first, second] = [await post(), await post()];
    expect([first.status, isReplayed(first)]).toEqual([201, false]);
    expect([second.status, isReplayed(second), second.etag, second.body]).toEqual([201, true, first.etag, first.body]);
    expect(second.headers.get('content-type')).toBe(first.headers.get('content-type'));
    expect((await call('GET', `${path}/registered-apis?name=CRM`)).body.data).toHaveLength(1);
  });

  it.each([1, 2, 3])('at once gives one resource to everybody (%i)', async () => {
    const { path, fn } = await seedOrganization(world);
    const body = { name: 'Once', cloudFunctionId: fn.id, triggerEvents: [{ category: 'ChatStatus' }] };
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => call('POST', `${path}/triggers`, { body, idempotencyKey: 'at-once' })),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 201));
    expect(new Set(answers.map((answer) => JSON.stringify(answer.body))).size).toBe(1);
    expect(answers.filter((answer) => !isReplayed(answer))).toHaveLength(1);
    expect((await call('GET', `${path}/triggers?name=Once`)).body.data).toHaveLength(1);
  });

  it('answers an access token again, which rests nowhere in clear', async () => {
    const { path } = await seedOrganization(world);
    const expiresAt = new Date(Date.now() + 1_500).toISOString();
    const post = () =>
      call('POST', `${path}/access-tokens`, { body: { name: 'CI', scopes: ['triggers:read'], expiresAt }, idempotencyKey: 'token' });
    const first = await post();
    const { rows } = await database.query<{ row: string }>(
      'SELECT k::text || encode(k.answer, $1) AS row FROM registry.idempotency_keys k',
      ['escape'],
    );
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.map(({ row }) => row).join()).not.toMatch(/cf_|"token"|triggers:read/);
    expect((await call('GET', `${path}/triggers`, { token: first.body.token })).status).toBe(200);
    await eventually(() => expect(Date.now()).toBeGreaterThan(Date.parse(expiresAt)));
    const second = await post();
    expect([second.status, isReplayed(second), second.body]).toEqual([201, true, first.body]);
  });

  it('works on every POST: organizations, copies, pauses', async () => {
    const { path, api, fn } = await seedOrganization(world);
    for (const [target, body] of [
      ['/v1/organizations', { name: 'Once', cloudFunctionsEnabled: true }],
      [`${path}/registered-apis/${api.id as string}/copies`, undefined],
      [`${path}/cloud-functions/${fn.id as string}/circuit-reset`, undefined],
    ] as const) {
      const post = () => call('POST', target, { body, idempotencyKey: `every-${target.length}` });
      const [first, second] = [await post(), await post()];
      expect([second.status, isReplayed(second), second.etag, second.body]).toEqual([first.status, true, first.etag, first.body]);
    }
  });
});

describe('a key', () => {
  it('used with another body is refused', async () => {
    const { path } = await seedOrganization(world);
    expect((await call('POST', `${path}/registered-apis`, { body: apiBody, idempotencyKey: 'k' })).status).toBe(201);
    const other = await call('POST', `${path}/registered-apis`, { body: { ...apiBody, name: 'Other' }, idempotencyKey: 'k' });
    expect([other.status, other.body.code]).toEqual([422, 'idempotency_key_reused']);
  });

  it('belongs to one organization, one caller and one path', async () => {
    const [one, two] = [await seedOrganization(world), await seedOrganization(world)];
    const scopes = ['registered-apis:write'];
    const { token } = (await call('POST', `${one.path}/access-tokens`, { body: { name: 'A', scopes } })).body;
    const copies = `${one.path}/registered-apis/${one.api.id as string}/copies`;
    const answers = [
      await call('POST', `${one.path}/registered-apis`, { body: apiBody, idempotencyKey: 'mine' }),
      await call('POST', `${two.path}/registered-apis`, { body: apiBody, idempotencyKey: 'mine' }),
      await call('POST', `${one.path}/registered-apis`, { body: apiBody, idempotencyKey: 'mine', token }),
      await call('POST', copies, { body: { name: 'C' }, idempotencyKey: 'mine' }),
    ];
    expect(answers.map((answer) => [answer.status, isReplayed(answer)])).toEqual(answers.map(() => [201, false]));
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(4);
  });

  it('is free again after a refusal', async () => {
    const { path, fn } = await seedOrganization(world);
    const body = { name: 'T', cloudFunctionId: randomUUID(), triggerEvents: [{ category: 'ChatStatus' }] };
    const refused = () => call('POST', `${path}/triggers`, { body, idempotencyKey: 'refused' });
    expect([(await refused()).status, isReplayed(await refused())]).toEqual([400, false]);
    const mended = await call('POST', `${path}/triggers`, { body: { ...body, cloudFunctionId: fn.id }, idempotencyKey: 'refused' });
    expect(mended.status).toBe(201);
  });

  it.each(['', 'a b', 'ä', 'x'.repeat(256)])('must be 1 to 255 visible characters, not %j', async (idempotencyKey) => {
    const { path } = await seedOrganization(world);
    const answer = await call('POST', `${path}/registered-apis`, { body: apiBody, idempotencyKey });
    expect([answer.status, answer.body.code]).toEqual([400, 'invalid_idempotency_key']);
  });
});

describe('a writer that hangs', () => {
  it('keeps its key until it dies, and leaves nothing behind', async () => {
    const { path } = await seedOrganization(world);
    const post = () => call('POST', `${path}/registered-apis`, { body: { ...apiBody, name: 'Hung' }, idempotencyKey: 'hangs' });
    await database.query('BEGIN');
    await database.query('LOCK TABLE registry.changes IN SHARE MODE');
    const hung = post();
    const waiting = async () => {
      const { rows } = await database.query<{ pid: number }>(
        `SELECT pid FROM pg_locks WHERE relation = 'registry.changes'::regclass AND NOT granted`,
      );
      expect(rows).toHaveLength(1);
      return rows[0]?.pid;
    };
    const pid = await eventually(waiting);
    const second = await post();
    expect([second.status, second.body.code, second.headers.get('retry-after')]).toEqual([409, 'idempotency_key_in_use', '1']);
    await database.query('SELECT pg_terminate_backend($1)', [pid]);
    await database.query('ROLLBACK');
    expect((await hung).status).toBe(503);
    const third = await post();
    expect([third.status, isReplayed(third)]).toEqual([201, false]);
    expect((await call('GET', `${path}/registered-apis?name=Hung`)).body.data).toHaveLength(1);
  });

  it('that had committed has its answer there already, whoever never heard it', async () => {
    const { path } = await seedOrganization(world);
    const post = () => call('POST', `${path}/registered-apis`, { body: { ...apiBody, name: 'Unheard' }, idempotencyKey: 'unheard' });
    world.log.reachable = false;
    const unheard = post();
    await eventually(async () => expect((await call('GET', `${path}/registered-apis?name=Unheard`)).body.data).toHaveLength(1));
    const again = await post();
    world.log.reachable = true;
    expect([again.status, isReplayed(again)]).toEqual([201, true]);
    expect((await unheard).body).toMatchObject(again.body);
  });
});
