import { Inject, Injectable } from '@nestjs/common';
import { ExecutionsDatabase } from '../database/executions-database.js';
import { hasPassed, msOf } from '../database/has-passed.js';
import { leaseIsOver } from '../due/lease-is-over.js';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';
import { type Replay, replayColumns } from './replay.js';

/** How items stand. */
export interface Figures {
  readonly succeeded: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly open: number;
}

/** `last` is null when there is none. */
interface Part extends Figures {
  readonly items: number;
  readonly last: string | null;
}

/** What is paused with nothing open, or has sent nothing yet, has no new figures. */
const HAS_NEWS = `all_enqueued OR status = 'cancelled' OR enqueued > succeeded + failed + cancelled`;

const TAKE = `
  UPDATE replays SET counted_at = clock_timestamp() WHERE id = (
    SELECT id FROM replays
    WHERE completed_at IS NULL AND (counted_at IS NULL OR (${hasPassed(`counted_at + ${msOf('$1')}`, msOf('$1'))} AND (${HAS_NEWS})))
    ORDER BY counted_at NULLS FIRST LIMIT 1 FOR UPDATE SKIP LOCKED)
  RETURNING ${replayColumns}`;

/** Of the items that were sent, a bounded part in the order of their invocations. */
const COUNT = `
  WITH part AS (
    SELECT invocation_id, ended_as FROM replay_items
    WHERE replay_id = $1 AND seq IS NOT NULL AND ($2::uuid IS NULL OR invocation_id > $2) ORDER BY invocation_id LIMIT $3)
  SELECT count(*)::integer AS items, (SELECT invocation_id FROM part ORDER BY invocation_id DESC LIMIT 1) AS last,
         count(*) FILTER (WHERE stands = 'succeeded')::integer AS succeeded,
         count(*) FILTER (WHERE stands IN ('dead_lettered', 'failed', 'suppressed'))::integer AS failed,
         count(*) FILTER (WHERE stands = 'cancelled')::integer AS cancelled,
         count(*) FILTER (WHERE stands IN ('queued', 'retrying'))::integer AS open
  FROM (SELECT coalesce(ended_as, status) AS stands FROM part LEFT JOIN executions USING (invocation_id)) AS items`;

const SETTLE = `
  UPDATE replays SET succeeded = $2, failed = $3, cancelled = $4, completed_at = CASE WHEN $5 THEN clock_timestamp() END,
         status = CASE WHEN $5 AND status <> 'cancelled' THEN 'completed' ELSE status END
  WHERE id = $1 AND completed_at IS NULL`;

/** Looks from one replay that has items to the next in the index: as many steps as there are such replays. What is locked goes next time. */
const REMOVE_ENDED = `
  WITH RECURSIVE found AS (
    (SELECT replay_id FROM replay_items ORDER BY replay_id LIMIT 1)
    UNION ALL
    SELECT (SELECT replay_id FROM replay_items WHERE replay_id > found.replay_id ORDER BY replay_id LIMIT 1) FROM found
    WHERE found.replay_id IS NOT NULL),
  ended AS (
    SELECT item.* FROM found JOIN replays ON replays.id = found.replay_id AND completed_at IS NOT NULL CROSS JOIN LATERAL (
      SELECT replay_id, invocation_id FROM replay_items WHERE replay_id = replays.id ORDER BY invocation_id LIMIT $1 FOR UPDATE SKIP LOCKED) AS item
    LIMIT $1)
  DELETE FROM replay_items AS item USING ended WHERE item.replay_id = ended.replay_id AND item.invocation_id = ended.invocation_id`;

const WAITING = `
  SELECT due.invocation_id AS "invocationId", due.seq FROM replay_items JOIN due USING (invocation_id) JOIN executions USING (invocation_id)
  WHERE replay_items.replay_id = $1 AND ended_as IS NULL AND executions.bulk AND ${leaseIsOver('$3')} LIMIT $2`;

/** Statements of the settler. No lock is held while it counts: nobody who pauses or advances a replay waits for that. */
@Injectable()
export class ReplaySettling {
  constructor(
    private readonly database: ExecutionsDatabase,
    @Inject(EXECUTIONS_CONFIG) private readonly config: ExecutionsConfig,
  ) {}

  /** Takes the open replay whose figures are the oldest; nobody else takes it for so long. Null when there is none with news. */
  async take(everyMs: number): Promise<Replay | null> {
    const [replay] = await this.database.query<Replay>(TAKE, [everyMs]);
    return replay ?? null;
  }

  /** What a cancelled replay left in the due table, a bounded part of it at a time. What a person asked for meanwhile is not of it. */
  waitingOf({ id }: Replay, limit: number): Promise<{ invocationId: string; seq: number }[]> {
    return this.database.query(WAITING, [id, limit, this.config.EXECUTIONS_CLAIM_LEASE_MS]);
  }

  /** How a part of its items stands, those after this one. */
  async count({ id }: Replay, after: string | null, limit: number): Promise<Part> {
    const [part] = await this.database.query<Part>(COUNT, [id, after, limit]);
    return part!;
  }

  /** Nobody else takes it meanwhile. */
  async keep({ id }: Replay): Promise<void> {
    await this.database.query('UPDATE replays SET counted_at = clock_timestamp() WHERE id = $1', [id]);
  }

  /** Brings the figures up to date, and ends the replay when it was taken with everything looked at and nothing of it is open. */
  async settle({ id, allEnqueued, status }: Replay, { succeeded, failed, cancelled, open }: Figures): Promise<void> {
    const isEnd = open === 0 && (allEnqueued || status === 'cancelled');
    await this.database.query(SETTLE, [id, succeeded, failed, cancelled, isEnd]);
  }

  /** Removes items of replays that have ended, a bounded part of them at a time. */
  async removeEnded(limit: number): Promise<void> {
    await this.database.query(REMOVE_ENDED, [limit]);
  }
}
