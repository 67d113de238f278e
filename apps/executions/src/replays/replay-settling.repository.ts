import { Injectable } from '@nestjs/common';
import { ExecutionsDatabase } from '../database/executions-database.js';
import { type Replay, replayColumns } from './replay.js';

/** What is paused with nothing open, or has sent nothing yet, has no new figures. */
const HAS_NEWS = `all_enqueued OR status = 'cancelled' OR enqueued > succeeded + failed + cancelled`;

const TAKE = `
  UPDATE replays SET counted_at = clock_timestamp() WHERE id = (
    SELECT id FROM replays
    WHERE completed_at IS NULL AND (counted_at IS NULL OR (counted_at <= now() - make_interval(secs => $1::float8 / 1000) AND (${HAS_NEWS})))
    ORDER BY counted_at NULLS FIRST LIMIT 1 FOR UPDATE SKIP LOCKED)
  RETURNING ${replayColumns}`;

/** Items are locked in the order of their invocations, as where another replay takes them over, so that the two cannot deadlock. */
const SETTLE = `
  WITH counted AS (
    SELECT count(*) FILTER (WHERE stands = 'succeeded') AS succeeded,
           count(*) FILTER (WHERE stands IN ('dead_lettered', 'failed', 'suppressed')) AS failed,
           count(*) FILTER (WHERE stands = 'cancelled') AS cancelled,
           count(*) FILTER (WHERE stands IN ('queued', 'retrying')) AS open
    FROM (SELECT coalesce(ended_as, status) AS stands FROM replay_items LEFT JOIN executions USING (invocation_id)
          WHERE replay_items.replay_id = $1 AND replay_items.seq IS NOT NULL) AS items),
  settled AS (
    UPDATE replays SET succeeded = counted.succeeded, failed = counted.failed, cancelled = counted.cancelled,
           completed_at = CASE WHEN open = 0 AND $2 THEN clock_timestamp() END,
           status = CASE WHEN open = 0 AND $2 AND status <> 'cancelled' THEN 'completed' ELSE status END
    FROM counted WHERE id = $1 AND completed_at IS NULL RETURNING completed_at),
  ended AS (
    SELECT invocation_id FROM replay_items WHERE replay_id = $1 AND EXISTS (SELECT FROM settled WHERE completed_at IS NOT NULL)
    ORDER BY invocation_id FOR UPDATE)
  DELETE FROM replay_items USING ended WHERE replay_id = $1 AND replay_items.invocation_id = ended.invocation_id`;

const WAITING = `
  SELECT due.invocation_id AS "invocationId", due.seq FROM replay_items JOIN due USING (invocation_id) JOIN executions USING (invocation_id)
  WHERE replay_items.replay_id = $1 AND ended_as IS NULL AND executions.bulk AND (due.leased_until IS NULL OR due.leased_until <= now()) LIMIT $2`;

/** Statements of the settler. No lock is held while it counts: nobody who pauses or advances a replay waits for that. */
@Injectable()
export class ReplaySettling {
  constructor(private readonly database: ExecutionsDatabase) {}

  /** Takes the open replay whose figures are the oldest; nobody else takes it for so long. Null when there is none with news. */
  async take(everyMs: number): Promise<Replay | null> {
    const [replay] = await this.database.query<Replay>(TAKE, [everyMs]);
    return replay ?? null;
  }

  /** What a cancelled replay left in the due table, a bounded part of it at a time. What a person asked for meanwhile is not of it. */
  waitingOf({ id }: Replay, limit: number): Promise<{ invocationId: string; seq: number }[]> {
    return this.database.query(WAITING, [id, limit]);
  }

  /** Brings the figures up to date, and ends the replay when it was taken with everything looked at and nothing of it is open. */
  async settle({ id, allEnqueued, status }: Replay): Promise<void> {
    await this.database.query(SETTLE, [id, allEnqueued || status === 'cancelled']);
  }
}
