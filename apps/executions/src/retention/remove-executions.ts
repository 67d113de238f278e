import type { EntityManager } from 'typeorm';

export interface Removed {
  readonly executions: number;
  readonly attempts: number;
  readonly requests: number;
  /** Of them, those that waited to be sent. */
  readonly waiting: number;
}

const LOCK = `
  SELECT invocation_id AS "invocationId", accepted_at AS "acceptedAt", created_at AS "createdAt" FROM executions
  WHERE invocation_id = ANY($1::uuid[]) ORDER BY invocation_id FOR UPDATE`;

/** No attempt begins before its invocation, clocks that differ included: older partitions are not looked into. */
const CLOCK_MARGIN = `interval '1 day'`;

const STATEMENTS = {
  waiting: 'DELETE FROM due WHERE invocation_id = ANY($1::uuid[])',
  attempts: `DELETE FROM attempts WHERE invocation_id = ANY($1::uuid[]) AND started_at >= $2::timestamptz - ${CLOCK_MARGIN}`,
  requests: `DELETE FROM requests WHERE invocation_id = ANY($1::uuid[]) AND accepted_at >= $2 AND accepted_at <= $3`,
};

const deleted = async (manager: EntityManager, sql: string, params: unknown[]): Promise<number> => {
  const [, count]: [unknown, number] = await manager.query(sql, params);
  return count;
};

/**
 * Removes executions with all that belongs to them, in one transaction of `cf_system`: where there is no execution there is nothing of it,
 * which the recorder relies on. Locked in the order of their ids, as everywhere.
 */
export const removeExecutions = async (manager: EntityManager, invocationIds: readonly string[]): Promise<Removed> => {
  const rows: { invocationId: string; acceptedAt: Date | null; createdAt: Date }[] = await manager.query(LOCK, [invocationIds]);
  if (rows.length === 0) return { executions: 0, attempts: 0, requests: 0, waiting: 0 };
  const ids = rows.map(({ invocationId }) => invocationId);
  const times = rows.map(({ acceptedAt, createdAt }) => (acceptedAt ?? createdAt).getTime());
  const [oldest, newest] = [new Date(Math.min(...times)), new Date(Math.max(...times))];
  const waiting = await deleted(manager, STATEMENTS.waiting, [ids]);
  const attempts = await deleted(manager, STATEMENTS.attempts, [ids, oldest]);
  const requests = await deleted(manager, STATEMENTS.requests, [ids, oldest, newest]);
  await manager.query('DELETE FROM replay_items WHERE invocation_id = ANY($1::uuid[])', [ids]);
  const executions = await deleted(manager, 'DELETE FROM executions WHERE invocation_id = ANY($1::uuid[])', [ids]);
  return { executions, attempts, requests, waiting };
};
