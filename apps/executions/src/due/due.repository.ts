import { Inject, Injectable } from '@nestjs/common';
import { attemptOrigin, type AttemptOrigin } from '@cf/contract';
import type { EntityManager } from 'typeorm';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';
import { hasPassed, msOf } from '../database/has-passed.js';
import { ExecutionsDatabase } from '../database/executions-database.js';
import { HealthDeltas } from '../health/health-deltas.repository.js';
import { type GivenUp, tallyGivenUp } from '../health/tally-given-up.js';
import { PRIORITY } from '../recording/plan-recording.js';
import { leaseIsOver } from './lease-is-over.js';

/** A due row under our lease, with its request; `envelope` is null when the request was not kept. */
export interface Claim {
  readonly invocationId: string;
  readonly orgId: string;
  readonly cloudFunctionId: string;
  readonly triggerId: string | null;
  readonly seq: number;
  readonly attempt: number;
  readonly origin: AttemptOrigin;
  /** The end of its retries when that is not 24 hours after the event; 24 hours from now when it was paused. */
  readonly retryUntil: string | null;
  readonly envelope: string | null;
  readonly body: string | null;
}

type ClaimedRow = Omit<Claim, 'origin' | 'retryUntil'> & { readonly origin: string; readonly retryUntil: Date | null };

/** What was paused has 24 hours of its own once it is sent: the pause was none of its time. */
const WINDOW = `CASE WHEN executions.paused THEN date_trunc('milliseconds', now()) + interval '24 hours' ELSE executions.retry_until END`;

const CLAIMED = `
  claimed AS (
    UPDATE due SET leased_until = now() + ${msOf('$2')} FROM picked WHERE due.invocation_id = picked.invocation_id
    RETURNING due.*)
  SELECT claimed.invocation_id AS "invocationId", claimed.org_id AS "orgId", claimed.cloud_function_id AS "cloudFunctionId",
         claimed.trigger_id AS "triggerId", claimed.seq, claimed.attempt, claimed.origin, ${WINDOW} AS "retryUntil", requests.envelope, CASE WHEN requests.truncated THEN NULL ELSE requests.body END AS body
  FROM claimed
  JOIN executions ON executions.invocation_id = claimed.invocation_id
  LEFT JOIN requests ON requests.invocation_id = claimed.invocation_id AND requests.accepted_at = executions.accepted_at
  ORDER BY claimed.priority, claimed.due_at`;

const FREE = `due_at <= now() AND ${leaseIsOver('$2')}`;

const PRIORITIES = Object.values(PRIORITY);

const CLAIM_DUE = `
  WITH picked AS (
    SELECT next.invocation_id FROM unnest($3::smallint[]) AS wanted(priority) CROSS JOIN LATERAL (
      SELECT invocation_id FROM due WHERE NOT held AND due.priority = wanted.priority AND ${FREE}
      ORDER BY due_at LIMIT $1::integer FOR UPDATE SKIP LOCKED) AS next),
  ${CLAIMED}`;

const CLAIM_HELD = `
  WITH ready AS (
    SELECT cloud_function_id, release_limit FROM held_functions
    WHERE ${hasPassed('next_release_at', msOf('$3'))} AND NOT paused
    ORDER BY next_release_at LIMIT 100 FOR UPDATE SKIP LOCKED),
  paced AS (
    UPDATE held_functions SET next_release_at =
      CASE WHEN EXISTS (SELECT FROM due WHERE held AND due.cloud_function_id = ready.cloud_function_id)
           THEN now() + ${msOf('$3')} END
    FROM ready WHERE held_functions.cloud_function_id = ready.cloud_function_id),
  picked AS (
    SELECT first.invocation_id FROM ready CROSS JOIN LATERAL (
      SELECT next.invocation_id FROM unnest($4::smallint[]) AS wanted(priority) CROSS JOIN LATERAL (
        SELECT invocation_id, due_at FROM due
        WHERE held AND due.cloud_function_id = ready.cloud_function_id AND due.priority = wanted.priority AND ${FREE}
        ORDER BY due_at LIMIT least(ready.release_limit, $1::integer) FOR UPDATE SKIP LOCKED) AS next
      ORDER BY wanted.priority, next.due_at LIMIT least(ready.release_limit, $1::integer)) AS first
    LIMIT $1::integer),
  ${CLAIMED}`;

const GIVEN = `unnest($1::uuid[], $2::integer[]) AS given(invocation_id, seq)`;

/** Recorder, claimer and API lock executions first, in the order of their ids, and due rows after: so they cannot deadlock. */
const LOCK_EXECUTIONS = `SELECT FROM executions WHERE invocation_id = ANY($1::uuid[]) ORDER BY invocation_id FOR UPDATE`;

const TAKE_DUE = `WITH taken AS (DELETE FROM due USING ${GIVEN} WHERE due.invocation_id = given.invocation_id AND due.seq = given.seq RETURNING due.invocation_id, due.seq)`;

const OF_TAKEN = `FROM taken WHERE executions.invocation_id = taken.invocation_id AND executions.seq = taken.seq`;

const MARK_PUBLISHED = `${TAKE_DUE} UPDATE executions SET status = 'queued', next_attempt_at = NULL, by_result = false, retry_until = ${WINDOW}, paused = false, sent_at = now() ${OF_TAKEN}`;

const CANCEL = `${TAKE_DUE}
  UPDATE executions SET status = 'cancelled', next_attempt_at = NULL, by_result = false, paused = false, defer_reason = NULL,
         completed_at = date_trunc('milliseconds', now()) ${OF_TAKEN}`;

const GIVE_UP = `${TAKE_DUE}
  UPDATE executions SET status = CASE WHEN test THEN 'failed' ELSE 'dead_lettered' END, failure_reason = 'internal', failure_detail = $3, next_attempt_at = NULL, by_result = false, paused = false,
         completed_at = date_trunc('milliseconds', now()) ${OF_TAKEN}
  RETURNING executions.org_id AS "orgId", executions.cloud_function_id AS "cloudFunctionId", executions.test`;

const PAUSE = `
  WITH waiting AS (
    UPDATE due SET held = true, paused = true, leased_until = NULL FROM ${GIVEN} WHERE due.invocation_id = given.invocation_id AND due.seq = given.seq
    RETURNING due.invocation_id, due.seq, due.cloud_function_id, due.org_id),
  functions AS (
    INSERT INTO held_functions AS known (cloud_function_id, org_id, release_limit, paused)
    SELECT DISTINCT cloud_function_id, org_id, $3::integer, true FROM waiting ORDER BY cloud_function_id
    ON CONFLICT (cloud_function_id) DO UPDATE SET paused = true, next_release_at = NULL WHERE NOT known.paused)
  UPDATE executions SET paused = true FROM waiting WHERE executions.invocation_id = waiting.invocation_id AND executions.seq = waiting.seq`;

const RESUME = `
  UPDATE held_functions SET paused = false, release_limit = $2, next_release_at = now()
  WHERE cloud_function_id IN (
    SELECT cloud_function_id FROM held_functions WHERE cloud_function_id = ANY($1::uuid[]) AND paused ORDER BY cloud_function_id FOR UPDATE)`;

/** Rows in one cancelling transaction, so that a trigger with a million waiting does not lock them all at once. */
const CANCELLED_AT_ONCE = 1_000;

type Sending = Pick<Claim, 'invocationId' | 'seq'>;

@Injectable()
export class DueRepository {
  constructor(
    private readonly database: ExecutionsDatabase,
    private readonly health: HealthDeltas,
    @Inject(EXECUTIONS_CONFIG) private readonly config: ExecutionsConfig,
  ) {}

  claimDue(): Promise<Claim[]> {
    const { EXECUTIONS_CLAIM_MAX, EXECUTIONS_CLAIM_LEASE_MS } = this.config;
    return this.claim(CLAIM_DUE, [EXECUTIONS_CLAIM_MAX, EXECUTIONS_CLAIM_LEASE_MS, PRIORITIES]);
  }

  claimHeld(): Promise<Claim[]> {
    const { EXECUTIONS_CLAIM_MAX, EXECUTIONS_CLAIM_LEASE_MS, EXECUTIONS_RELEASE_EVERY_MS } = this.config;
    return this.claim(CLAIM_HELD, [EXECUTIONS_CLAIM_MAX, EXECUTIONS_CLAIM_LEASE_MS, EXECUTIONS_RELEASE_EVERY_MS, PRIORITIES]);
  }

  /** Each of these changes only what still waits with the claimed `seq`: a late call changes nothing. */
  markPublished(sendings: readonly Sending[]): Promise<void> {
    return this.end(MARK_PUBLISHED, sendings);
  }

  cancel(sendings: readonly Sending[]): Promise<void> {
    return this.end(CANCEL, sendings);
  }

  /** Counts in the health of their functions, in the same transaction: no result will ever tell of them. */
  async giveUp(sendings: readonly Sending[], detail: string): Promise<void> {
    if (sendings.length === 0) return;
    await this.database.system(async (manager) => {
      await manager.query(LOCK_EXECUTIONS, [sendings.map(({ invocationId }) => invocationId)]);
      const [given] = (await manager.query(GIVE_UP, [...asArrays(sendings), detail])) as [GivenUp[], number];
      await this.health.append(manager, tallyGivenUp(given, Date.now()));
    });
  }

  /** Keeps them until their function is resumed. */
  pause(sendings: readonly Sending[]): Promise<void> {
    return this.end(PAUSE, sendings, [this.config.EXECUTIONS_RELEASE_FIRST]);
  }

  pausedFunctions(): Promise<{ cloudFunctionId: string; orgId: string }[]> {
    return this.database.query(
      'SELECT cloud_function_id AS "cloudFunctionId", org_id AS "orgId" FROM held_functions WHERE paused ORDER BY cloud_function_id',
    );
  }

  /** Of these paused functions, rows that were held for another reason and do not say yet that they are paused. */
  heldOf(functionIds: readonly string[]): Promise<Sending[]> {
    return this.database.query<Sending>(
      `SELECT held.* FROM unnest($1::uuid[]) AS function(id) CROSS JOIN LATERAL (
         SELECT invocation_id AS "invocationId", seq FROM due WHERE held AND NOT paused AND cloud_function_id = function.id ORDER BY due_at LIMIT $2) AS held
       LIMIT $2`,
      [functionIds, this.config.EXECUTIONS_CLAIM_MAX],
    );
  }

  /** What waits for these functions is released from now on in the order of its priority and age, a few at a time. */
  async resumeFunctions(functionIds: readonly string[]): Promise<void> {
    if (functionIds.length > 0) await this.database.query(RESUME, [functionIds, this.config.EXECUTIONS_RELEASE_FIRST]);
  }

  /** Lets others, and ourselves, claim them again at once. */
  async release(sendings: readonly Sending[]): Promise<void> {
    if (sendings.length === 0) return;
    await this.database.system((manager) =>
      manager.query(
        `UPDATE due SET leased_until = NULL FROM ${GIVEN} WHERE due.invocation_id = given.invocation_id AND due.seq = given.seq`,
        asArrays(sendings),
      ),
    );
  }

  /** Cancels what waits for these triggers; whatever waits for their functions' breakers included. */
  async cancelTriggers(triggerIds: readonly string[]): Promise<void> {
    for (;;) {
      const waiting = await this.database.query<Sending>(
        `SELECT invocation_id AS "invocationId", seq FROM due WHERE trigger_id = ANY($1::uuid[]) AND ${leaseIsOver('$2')} LIMIT ${CANCELLED_AT_ONCE}`,
        [triggerIds, this.config.EXECUTIONS_CLAIM_LEASE_MS],
      );
      await this.cancel(waiting);
      if (waiting.length < CANCELLED_AT_ONCE) return;
    }
  }

  /** How many wait (counted up to a bound, so that asking stays cheap) and for how long the oldest is overdue. */
  async backlog(countMax: number): Promise<{ waiting: number; oldestAgeSeconds: number }> {
    const [row] = await this.database.query<{ waiting: string; age: number | null }>(
      `SELECT (SELECT count(*) FROM (SELECT FROM due LIMIT $1) AS counted) AS waiting,
              (SELECT extract(epoch FROM now() - min(due_at)) FROM due WHERE NOT held AND due_at <= now())::float8 AS age`,
      [countMax],
    );
    return { waiting: Number(row?.waiting ?? 0), oldestAgeSeconds: Math.max(0, row?.age ?? 0) };
  }

  private async claim(sql: string, params: unknown[]): Promise<Claim[]> {
    const rows = await this.database.system<ClaimedRow[]>((manager) => manager.query(sql, params));
    return rows.map((row) => ({
      ...row,
      origin: attemptOrigin.parse(row.origin),
      retryUntil: row.retryUntil?.toISOString() ?? null,
    }));
  }

  private async end(sql: string, sendings: readonly Sending[], more: readonly unknown[] = []): Promise<void> {
    if (sendings.length === 0) return;
    await this.database.system(async (manager: EntityManager) => {
      await manager.query(LOCK_EXECUTIONS, [sendings.map(({ invocationId }) => invocationId)]);
      await manager.query(sql, [...asArrays(sendings), ...more]);
    });
  }
}

const asArrays = (sendings: readonly Sending[]): [string[], number[]] => [
  sendings.map(({ invocationId }) => invocationId),
  sendings.map(({ seq }) => seq),
];
