/** Claims, leases and the end of keys, on a real Postgres. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDatabase, type Database } from '@cf/persistence';
import { createLogger, Problem } from '@cf/service-kit';
import { createTestDatabase, type TestDatabase } from '@cf/testing';
import type { FastifyRequest } from 'fastify';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { IdempotencyKeys } from '../src/idempotency-keys.js';
import { idempotencyTable } from '../src/idempotency-table.js';
import { KeyedRequest } from '../src/keyed-request.js';

class CreateKeys1700000000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of idempotencyTable()) await runner.query(statement);
  }

  down(): Promise<void> {
    return Promise.resolve();
  }
}

let server: TestDatabase;
let database: Database;
let keys: IdempotencyKeys;
const run = <R>(sql: string, params?: unknown[]): Promise<R[]> => database.query<R>(sql, params);
beforeAll(async () => {
  server = await createTestDatabase();
  database = createDatabase({ url: server.url, schema: 'keys', entities: [], migrations: [CreateKeys1700000000001], name: 'keys' });
  await database.start();
  keys = new IdempotencyKeys(database, createLogger('test', 'fatal'));
});
afterAll(async () => {
  await database.stop();
  await server.drop();
});

const orgId = randomUUID();
const requestOf = (key: string, body = '{}', token = 'secret-token'): KeyedRequest =>
  new KeyedRequest(
    {
      method: 'POST',
      url: `/v1/orgs/${orgId}/things`,
      params: { orgId },
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      rawBody: Buffer.from(body),
      principal: { type: 'operator' },
    } as unknown as FastifyRequest,
    key,
  );
const answer = { status: 202, headers: { etag: '"1"' }, body: '{"a":1}' };

const claimed = async (request: KeyedRequest): Promise<string> => {
  const claim = await keys.claim(run, request);
  if (claim.state !== 'claimed') throw new Error(`the key is ${claim.state}`);
  return claim.claim;
};
const age = (request: KeyedRequest, interval: string): Promise<unknown> =>
  run(`UPDATE idempotency_keys SET created_at = created_at - $2::interval, lease_until = lease_until - $2::interval WHERE id = $1`, [
    request.id,
    interval,
  ]);

describe('a claim', () => {
  it('is given to one of many, and answered to all once it is kept', async () => {
    const request = requestOf('many');
    const claims = await Promise.all(Array.from({ length: 8 }, () => keys.claim(run, request)));
    const [held] = claims.flatMap((claim) => (claim.state === 'claimed' ? [claim.claim] : []));
    expect(claims.map(({ state }) => state).toSorted()).toEqual(['claimed', ...Array.from({ length: 7 }, () => 'running')]);
    await keys.keep(run, request, held ?? '', answer);
    expect(await keys.claim(run, request)).toEqual({ state: 'answered', answer });
    await keys.release(run, request, held ?? '');
    expect(await keys.find(run, request)).toEqual(answer);
  });

  it('ends with its lease, and whoever lost it keeps nothing', async () => {
    const request = requestOf('lease');
    const lost = await claimed(request);
    await age(request, '69 seconds');
    expect(await keys.claim(run, request)).toEqual({ state: 'running' });
    await age(request, '2 seconds');
    const held = await claimed(request);
    await keys.keep(run, request, lost, { ...answer, status: 500 });
    await keys.release(run, request, lost);
    expect(await keys.claim(run, request)).toEqual({ state: 'running' });
    await keys.keep(run, request, held, answer);
    expect(await keys.find(run, request)).toEqual(answer);
  });

  it('that is released may be taken again, with another body too', async () => {
    const request = requestOf('released');
    await keys.release(run, request, await claimed(request));
    await claimed(requestOf('released', '{"other":1}'));
  });

  it('is refused to another body and to another token, running or answered', async () => {
    const request = requestOf('reused');
    const held = await claimed(request);
    const reused = { status: 422, code: 'idempotency_key_reused' };
    await expect(keys.claim(run, requestOf('reused', '[]'))).rejects.toMatchObject(reused);
    await age(request, '71 seconds');
    await expect(keys.claim(run, requestOf('reused', '[]'))).rejects.toMatchObject(reused);
    await keys.keep(run, request, held, answer);
    await expect(keys.claim(run, requestOf('reused', '{}', 'other-token'))).rejects.toMatchObject(reused);
    await expect(keys.claim(run, requestOf('reused', '[]'))).rejects.toBeInstanceOf(Problem);
  });
});

describe('a day later', () => {
  it('a key is free', async () => {
    const request = requestOf('day');
    await keys.keep(run, request, await claimed(request), answer);
    await age(request, '23 hours 59 minutes');
    expect(await keys.find(run, request)).toEqual(answer);
    await age(request, '2 minutes');
    expect(await keys.find(run, request)).toBeNull();
    await claimed(requestOf('day', '{"other":1}'));
  });

  it('its row is deleted, however many there are, and younger ones stay', async () => {
    const young = requestOf('young');
    await keys.keep(run, young, await claimed(young), answer);
    await run(
      `INSERT INTO idempotency_keys (id, fingerprint, claim, lease_until, created_at)
       SELECT decode(md5(n::text), 'hex'), '', gen_random_uuid(), now(), now() - interval '25 hours' FROM generate_series(1, 2500) n`,
    );
    expect(await keys.sweep()).toBe(2_500);
    expect(await keys.sweep()).toBe(0);
    expect(await keys.find(run, young)).toEqual(answer);
  });
});

describe('a dump of the table', () => {
  it('tells neither key nor answer', async () => {
    const request = requestOf('a-key-of-mine');
    await keys.keep(run, request, await claimed(request), { ...answer, body: '{"token":"cf_secret"}' });
    const [row] = await run<{ id: Buffer; answer: Buffer; fingerprint: Buffer }>('SELECT * FROM idempotency_keys WHERE id = $1', [
      request.id,
    ]);
    const text = Object.values(row ?? {})
      .map((value) => (Buffer.isBuffer(value) ? value.toString('latin1') : String(value)))
      .join();
    expect(text).not.toMatch(/a-key-of-mine|cf_secret|token/);
  });
});
