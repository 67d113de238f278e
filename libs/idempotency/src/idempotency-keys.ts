/**
 * One answer per Idempotency-Key, for 24 hours (draft-ietf-httpapi-idempotency-key-header).
 *
 * A key is free – claimed – answered, and free again after a failure or a day. Two ways lead from claimed to answered:
 *
 * - In the transaction of the write itself (`KeyedTransaction`): key, resource and answer are there together or not at all. Whoever
 *   comes with the same key meanwhile waits at the row until that transaction ends.
 * - By lease, where the effect is not in this database: the claim is committed, the request handled, the answer kept. A process that
 *   dies in between leaves a claim that ends with its lease; then the request is handled again, and must be harmless twice by an id
 *   of its own (an event, a step request, an execution).
 *
 * Only answers of success are kept. A refusal did nothing, so the same request may be tried again.
 */
import { randomUUID } from 'node:crypto';
import type { OnApplicationBootstrap, OnApplicationShutdown, Provider, Type } from '@nestjs/common';
import { LOGGER, Problem } from '@cf/service-kit';
import type { Logger } from 'pino';
import type { KeptAnswer, KeyedRequest } from './keyed-request.js';

/** Runs one statement: a database, or a transaction in it. */
export type RunQuery = <R>(sql: string, params?: unknown[]) => Promise<R[]>;

export interface KeysDatabase {
  query: RunQuery;
}

export type Claim =
  | { readonly state: 'claimed'; readonly claim: string }
  | { readonly state: 'answered'; readonly answer: KeptAnswer }
  | { readonly state: 'running' };

/** Longer than any request runs: a step's 60 s and its margins. */
const LEASE_MS = 70_000;
const KEPT_FOR = `interval '24 hours'`;
const SWEEP_EVERY_MS = 60_000;
/** Small enough to hold no lock for long. */
const SWEEP_ROWS_MAX = 1_000;

const TAKE = `
  INSERT INTO idempotency_keys AS known (id, org_id, fingerprint, claim, lease_until)
  VALUES ($1, $2, $3, $4, now() + $5 * interval '1 millisecond')
  ON CONFLICT (id) DO UPDATE
    SET fingerprint = excluded.fingerprint, claim = excluded.claim, lease_until = excluded.lease_until, answer = NULL, created_at = now()
    WHERE known.created_at < now() - ${KEPT_FOR}
       OR (known.answer IS NULL AND known.lease_until < now() AND known.fingerprint = excluded.fingerprint)
  RETURNING claim`;

const FIND = `SELECT fingerprint, answer FROM idempotency_keys WHERE id = $1 AND created_at >= now() - ${KEPT_FOR}`;

const SWEEP = `
  WITH old AS (SELECT id FROM idempotency_keys WHERE created_at < now() - ${KEPT_FOR} LIMIT ${SWEEP_ROWS_MAX} FOR UPDATE SKIP LOCKED),
       gone AS (DELETE FROM idempotency_keys USING old WHERE idempotency_keys.id = old.id RETURNING 1)
  SELECT count(*)::int AS gone FROM gone`;

const reused = (how: string): Problem =>
  new Problem(422, 'idempotency_key_reused', `The Idempotency-Key was used with another ${how}; each request needs a key of its own.`);

/** The keys of one service, in a table of its own schema (`idempotencyTable`). */
export class IdempotencyKeys implements OnApplicationBootstrap, OnApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    readonly database: KeysDatabase,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(
      () => void this.sweep().catch((error: unknown) => this.logger.debug({ err: error }, 'sweeping keys failed')),
      SWEEP_EVERY_MS,
    );
    this.timer.unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /** The kept answer; null when there is none. Throws a 422 for another body. */
  async find(run: RunQuery, request: KeyedRequest): Promise<KeptAnswer | null> {
    const [known] = await run<{ fingerprint: Buffer; answer: Buffer | null }>(FIND, [request.id]);
    if (known === undefined) return null;
    if (!request.fingerprint.equals(known.fingerprint)) throw reused('body');
    if (known.answer === null) return null;
    const answer = request.open(known.answer);
    if (answer === null) throw reused('token');
    return answer;
  }

  /** Takes the key until the lease ends, or says why not. Throws a 422 for another body. */
  async claim(run: RunQuery, request: KeyedRequest, leaseMs = LEASE_MS): Promise<Claim> {
    const claim = randomUUID();
    const taken = await run<{ claim: string }>(TAKE, [request.id, request.orgId, request.fingerprint, claim, leaseMs]);
    if (taken.length > 0) return { state: 'claimed', claim };
    const answer = await this.find(run, request);
    return answer === null ? { state: 'running' } : { state: 'answered', answer };
  }

  /** Changes nothing when the claim was lost meanwhile. */
  async keep(run: RunQuery, request: KeyedRequest, claim: string, answer: KeptAnswer): Promise<void> {
    await run('UPDATE idempotency_keys SET answer = $3 WHERE id = $1 AND claim = $2', [request.id, claim, request.seal(answer)]);
  }

  async release(run: RunQuery, request: KeyedRequest, claim: string): Promise<void> {
    await run('DELETE FROM idempotency_keys WHERE id = $1 AND claim = $2 AND answer IS NULL', [request.id, claim]);
  }

  /** Deletes what is older than a day; resolves to the number of rows. */
  async sweep(): Promise<number> {
    for (let sum = 0; ; ) {
      const [row] = await this.database.query<{ gone: number }>(SWEEP);
      const gone = row?.gone ?? 0;
      sum += gone;
      if (gone < SWEEP_ROWS_MAX) return sum;
    }
  }
}

/** The provider that a service's module needs beside `@Idempotent()` controllers; `database` is the token of its `KeysDatabase`. */
export const idempotencyKeysIn = (database: symbol | Type<KeysDatabase>): Provider => ({
  provide: IdempotencyKeys,
  useFactory: (opened: KeysDatabase, logger: Logger) => new IdempotencyKeys(opened, logger),
  inject: [database, LOGGER],
});
