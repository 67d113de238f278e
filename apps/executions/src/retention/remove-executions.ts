import type { EntityManager } from 'typeorm';

export interface Removed {
  readonly executions: number;
  readonly attempts: number;
  readonly requests: number;
  /** Of them, those that waited to be sent. */
  readonly waiting: number;
}

interface Locked {
  readonly invocationId: string;
  readonly acceptedAt: Date | null;
  readonly createdAt: Date;
  readonly attemptCount: number;
}

const LOCK = `
  SELECT invocation_id AS "invocationId", accepted_at AS "acceptedAt", created_at AS "createdAt", attempt_count AS "attemptCount" FROM executions
  WHERE invocation_id = ANY($1::uuid[]) ORDER BY invocation_id FOR UPDATE`;

/**
 * Which daily partitions are looked into.
 * - `own`: those that their acceptance points at. No attempt begins more than a day before it, unless a clock was wrong: then fewer are found
 *   than were counted, and all are looked into.
 * - `all`: whatever was written at whatever time.
 */
type Days = 'own' | 'all';

const CLOCK_MARGIN_MS = 24 * 60 * 60_000;

const STATEMENTS = {
  waiting: 'DELETE FROM due WHERE invocation_id = ANY($1::uuid[])',
  attempts: `DELETE FROM attempts WHERE invocation_id = ANY($1::uuid[]) AND started_at >= $2`,
  requests: `DELETE FROM requests WHERE invocation_id = ANY($1::uuid[]) AND accepted_at >= $2 AND accepted_at <= $3`,
};

/**
 * What a replay sent stays counted in it: as it ended, or as cancelled when it waits or is out, since nothing will be heard of it. The others it has
 * no place for any more. Items are locked in the order in which replays lock them.
 */
const LEAVE_REPLAYS = `
  WITH items AS (
    SELECT replay_id, invocation_id FROM replay_items WHERE invocation_id = ANY($1::uuid[]) ORDER BY invocation_id, replay_id FOR UPDATE),
  unsent AS (
    DELETE FROM replay_items AS item USING items
    WHERE item.replay_id = items.replay_id AND item.invocation_id = items.invocation_id AND item.seq IS NULL)
  UPDATE replay_items AS item SET ended_as = CASE WHEN completed_at IS NULL THEN 'cancelled' ELSE status END
  FROM items JOIN executions USING (invocation_id)
  WHERE item.replay_id = items.replay_id AND item.invocation_id = items.invocation_id AND item.seq IS NOT NULL AND item.ended_as IS NULL`;

const deleted = async (manager: EntityManager, sql: string, params: unknown[]): Promise<number> => {
  const [, count]: [unknown, number] = await manager.query(sql, params);
  return count;
};

const boundsOf = (rows: readonly Locked[], days: Days) => {
  if (days === 'all') return { begun: '-infinity', oldest: '-infinity', newest: 'infinity' };
  const times = rows.map(({ acceptedAt, createdAt }) => (acceptedAt ?? createdAt).getTime());
  const oldestMs = Math.min(...times);
  return { begun: new Date(oldestMs - CLOCK_MARGIN_MS), oldest: new Date(oldestMs), newest: new Date(Math.max(...times)) };
};

/**
 * Removes executions with all that belongs to them, in one transaction of `cf_system`: where there is no execution there is nothing of it,
 * which the recorder relies on. Locked in the order of their ids, as everywhere.
 */
export const removeExecutions = async (manager: EntityManager, invocationIds: readonly string[], days: Days): Promise<Removed> => {
  const rows: Locked[] = await manager.query(LOCK, [invocationIds]);
  if (rows.length === 0) return { executions: 0, attempts: 0, requests: 0, waiting: 0 };
  const ids = rows.map(({ invocationId }) => invocationId);
  const { begun, oldest, newest } = boundsOf(rows, days);
  const waiting = await deleted(manager, STATEMENTS.waiting, [ids]);
  const counted = rows.reduce((sum, { attemptCount }) => sum + attemptCount, 0);
  let attempts = await deleted(manager, STATEMENTS.attempts, [ids, begun]);
  if (attempts < counted) attempts += await deleted(manager, STATEMENTS.attempts, [ids, '-infinity']);
  const requests = await deleted(manager, STATEMENTS.requests, [ids, oldest, newest]);
  await manager.query(LEAVE_REPLAYS, [ids]);
  await manager.query('DELETE FROM notification_deliveries WHERE invocation_id = ANY($1::uuid[])', [ids]);
  const executions = await deleted(manager, 'DELETE FROM executions WHERE invocation_id = ANY($1::uuid[])', [ids]);
  return { executions, attempts, requests, waiting };
};
