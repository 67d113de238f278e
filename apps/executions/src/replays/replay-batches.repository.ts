import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { ExecutionsDatabase } from '../database/executions-database.js';
import { CLOCK_MARGIN, hasPassed, msOf } from '../database/has-passed.js';
import type { Execution } from '../execution.js';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';
import { locateSql } from '../query/locate-executions.js';
import { PRIORITY } from '../recording/plan-recording.js';
import { type Replay, replayColumns } from './replay.js';
import { locatingOf, lookOf } from './replay-selection.js';

/** An invocation that is next in a replay; the ids are null when there is no such execution. */
export interface Candidate {
  readonly invocationId: string;
  readonly createdAt: Date | null;
  readonly triggerId: string | null;
  readonly cloudFunctionId: string | null;
}

/** `last` is the row that it ended with, a candidate or not; `isEnd`: there are no more. */
export interface Look {
  readonly candidates: readonly Candidate[];
  readonly last: Candidate | undefined;
  readonly isEnd: boolean;
}

/** What a batch came to. */
export interface Advance extends Pick<Look, 'last' | 'isEnd'> {
  readonly enqueued: readonly string[];
  readonly skipped: Replay['skipped'];
}

const CANDIDATE = `executions.created_at AS "createdAt", executions.trigger_id AS "triggerId", executions.cloud_function_id AS "cloudFunctionId"`;

const NAMED = `
  SELECT item.invocation_id AS "invocationId", ${CANDIDATE}
  FROM replay_items AS item LEFT JOIN executions ON executions.invocation_id = item.invocation_id AND executions.org_id = item.org_id
  WHERE item.replay_id = $1 AND ($2::uuid IS NULL OR item.invocation_id > $2) ORDER BY item.invocation_id LIMIT $3`;

const KEPT = `
  SELECT requests.invocation_id AS "invocationId" FROM unnest($1::uuid[], $2::timestamptz[]) AS given(invocation_id, accepted_at)
  JOIN requests ON requests.invocation_id = given.invocation_id AND requests.accepted_at = given.accepted_at WHERE NOT requests.truncated`;

/** All are due now, and the order of their age is kept. */
const DUE_IN_ORDER = `now() - interval '1 millisecond' + row_number() OVER (ORDER BY created_at, invocation_id) * interval '1 microsecond'`;

const SCHEDULE = `
  INSERT INTO due (invocation_id, org_id, cloud_function_id, trigger_id, seq, attempt, origin, priority, due_at, held)
  SELECT invocation_id, org_id, cloud_function_id, trigger_id, seq, next_attempt, 'bulk_replay', ${PRIORITY.bulk}, ${DUE_IN_ORDER}, false
  FROM executions WHERE invocation_id = ANY($1::uuid[]) ORDER BY invocation_id
  ON CONFLICT (invocation_id) DO UPDATE
  SET seq = excluded.seq, attempt = excluded.attempt, origin = excluded.origin, priority = excluded.priority, due_at = excluded.due_at,
      held = excluded.held, paused = false, leased_until = NULL`;

const ORDER = `
  UPDATE executions SET status = 'queued', next_attempt_at = date_trunc('milliseconds', now()), completed_at = NULL, duration_ms = NULL,
         defer_reason = NULL, by_result = false, paused = false, bulk = true, retry_until = now() + interval '24 hours'
  WHERE invocation_id = ANY($1::uuid[])`;

/** Who ordered an item last owns it; what it came to before is what it came to for the others. */
const TAKE_OVER = `
  WITH taken AS (
    SELECT replay_id, invocation_id FROM replay_items WHERE invocation_id = ANY($1::uuid[]) AND seq IS NOT NULL AND ended_as IS NULL
    ORDER BY invocation_id, replay_id FOR UPDATE)
  UPDATE replay_items AS item SET ended_as = executions.status FROM taken JOIN executions USING (invocation_id)
  WHERE item.replay_id = taken.replay_id AND item.invocation_id = taken.invocation_id`;

const REMEMBER = `
  INSERT INTO replay_items (replay_id, invocation_id, org_id, seq)
  SELECT $1, invocation_id, org_id, seq FROM executions WHERE invocation_id = ANY($2::uuid[])
  ON CONFLICT (replay_id, invocation_id) DO UPDATE SET seq = excluded.seq`;

const ADVANCE = `
  UPDATE replays SET enqueued = enqueued + $2, skipped = $3, cursor_created_at = $4, cursor_invocation_id = $5, all_enqueued = $6,
         advanced_at = clock_timestamp()
  WHERE id = $1`;

const DUE_TURN = `SELECT FROM replay_pace WHERE ${hasPassed('next_at', msOf('$1'))} FOR UPDATE SKIP LOCKED`;

/** A turn that was taken while the clock had jumped ahead does not count. */
const waitingSince = (taken: 'turns' | 'replays'): string =>
  `CASE WHEN ${taken}.advanced_at <= now() + ${CLOCK_MARGIN} THEN ${taken}.advanced_at ELSE replays.created_at END`;

const TURN = `
  INSERT INTO replay_turns (org_id, advanced_at) VALUES ($1, clock_timestamp())
  ON CONFLICT (org_id) DO UPDATE SET advanced_at = excluded.advanced_at`;

/** Statements of the replayer, as the system's role. A replay is advanced under its row lock: by one process at a time, however many try. */
@Injectable()
export class ReplayBatches {
  constructor(
    private readonly database: ExecutionsDatabase,
    @Inject(EXECUTIONS_CONFIG) private readonly config: ExecutionsConfig,
  ) {}

  transaction<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return this.database.system(work);
  }

  /** Takes the next turn of the pace that all replays share; false when it is not time yet, or another process has it. */
  async takeTurn(manager: EntityManager, intervalMs: number): Promise<boolean> {
    const turns: unknown[] = await manager.query(DUE_TURN, [intervalMs]);
    if (turns.length === 0) return false;
    await manager.query(`UPDATE replay_pace SET next_at = now() + ${msOf('$1')}`, [intervalMs]);
    return true;
  }

  /**
   * Of the organization that waited longest for its turn, the running replay that did: however many an organization orders, it has one share.
   * One that is new waits too, or whoever orders anew would keep all turns.
   */
  async next(manager: EntityManager): Promise<Replay | null> {
    const [replay]: Replay[] = await manager.query(
      `SELECT ${replayColumns} FROM replays WHERE id = (
         SELECT id FROM replays LEFT JOIN replay_turns AS turns USING (org_id)
         WHERE completed_at IS NULL AND status = 'running' AND NOT all_enqueued
         ORDER BY ${waitingSince('turns')}, ${waitingSince('replays')}, id
         LIMIT 1 FOR UPDATE OF replays SKIP LOCKED)`,
    );
    return replay ?? null;
  }

  /** The next invocations to look at, at most so many. However seldom a filter matches, a turn looks at a bounded number of rows. */
  async look(manager: EntityManager, replay: Replay, limit: number): Promise<Look> {
    const { id, orgId, filter, cursorInvocationId } = replay;
    if (filter === null) {
      const named: Candidate[] = await manager.query(NAMED, [id, cursorInvocationId, limit]);
      return { candidates: named, last: named.at(-1), isEnd: named.length < limit };
    }
    const budget = this.config.EXECUTIONS_WALK_ROWS_MAX;
    const located = locateSql(orgId, locatingOf(replay), null, budget);
    const ids: { invocationId: string }[] | null = located === null ? null : await manager.query(located.sql, located.params);
    const among = ids?.map(({ invocationId }) => invocationId) ?? null;
    const { sql, params } = lookOf(replay, among, `invocation_id AS "invocationId", ${CANDIDATE}`, limit, budget);
    const rows: (Candidate & { isWanted: boolean; isStop: boolean })[] = await manager.query(sql, params);
    const last = rows.at(-1);
    return { candidates: rows.filter(({ isWanted }) => isWanted), last, isEnd: rows.length < limit && last?.isStop !== true };
  }

  /** Of these, the invocations whose request is there whole. */
  async keptRequests(manager: EntityManager, rows: readonly Execution[]): Promise<ReadonlySet<string>> {
    const kept: { invocationId: string }[] = await manager.query(KEPT, [
      rows.map(({ invocationId }) => invocationId),
      rows.map(({ acceptedAt }) => acceptedAt),
    ]);
    return new Set(kept.map(({ invocationId }) => invocationId));
  }

  async advance(
    manager: EntityManager,
    { id, orgId, skipped: before }: Replay,
    { enqueued, skipped, last, isEnd }: Advance,
  ): Promise<void> {
    if (enqueued.length > 0) {
      await manager.query(TAKE_OVER, [enqueued]);
      await manager.query(SCHEDULE, [enqueued]);
      await manager.query(ORDER, [enqueued]);
      await manager.query(REMEMBER, [id, enqueued]);
    }
    const sums = Object.entries(skipped).map(([reason, count]) => [reason, count + (before[reason as keyof typeof before] ?? 0)]);
    const after = JSON.stringify({ ...before, ...Object.fromEntries(sums) });
    await manager.query(ADVANCE, [id, enqueued.length, after, last?.createdAt ?? null, last?.invocationId ?? null, isEnd]);
    await manager.query(TURN, [orgId]);
  }

  /** Others go first: one that cannot be advanced must not stop them. */
  async postpone({ id, orgId }: Pick<Replay, 'id' | 'orgId'>): Promise<void> {
    await this.database.query('UPDATE replays SET advanced_at = clock_timestamp() WHERE id = $1', [id]);
    await this.database.query(TURN, [orgId]);
  }
}
