import { Injectable } from '@nestjs/common';
import { ExecutionsDatabase } from '../database/executions-database.js';
import { removeExecutions } from './remove-executions.js';

/** Looks from one organization to the next in the index: as many steps as there are organizations, however many rows they have. */
const organizationsIn = (table: 'executions' | 'replays'): string => `(
  WITH RECURSIVE found AS (
    (SELECT org_id FROM ${table} ORDER BY org_id LIMIT 1)
    UNION ALL
    SELECT (SELECT org_id FROM ${table} WHERE org_id > found.org_id ORDER BY org_id LIMIT 1) FROM found WHERE found.org_id IS NOT NULL)
  SELECT org_id AS id FROM found WHERE org_id IS NOT NULL)`;

const ORGANIZATIONS = `${organizationsIn('executions')} UNION ${organizationsIn('replays')}`;

/**
 * What has ended, and what was sent so long ago that nothing will be heard of it. What waits is kept, and what is out: after a pause or by hand,
 * work is sent that is older than anything else. Asked of the row alone and under its lock, so that nobody orders it meanwhile.
 */
const EXPIRED = `
  SELECT invocation_id AS id FROM executions
  WHERE org_id = $1 AND created_at < $2 AND (completed_at IS NOT NULL OR (next_attempt_at IS NULL AND sent_at < $3))
  ORDER BY created_at LIMIT $4 FOR UPDATE SKIP LOCKED`;

/** Those that ended, once the settler has removed their items: millions of them would go in one statement with their replay. */
const REMOVE_REPLAYS = `
  DELETE FROM replays WHERE org_id = $1 AND created_at < $2 AND completed_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM replay_items WHERE replay_id = replays.id)`;

const DAY_PARTITIONS = `
  SELECT child.relname AS name, to_date(right(child.relname, 8), 'YYYYMMDD')::text AS day
  FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
  WHERE inhparent IN ('attempts'::regclass, 'requests'::regclass) AND child.relname ~ '_[0-9]{8}$' ORDER BY 1`;

/** A drop waits for nobody's long query, and nobody waits for it: it is tried again at the next look. */
const LOCK_TIMEOUT = '2s';
const DAY_MS = 24 * 60 * 60_000;

@Injectable()
export class RetentionRepository {
  constructor(private readonly database: ExecutionsDatabase) {}

  async organizations(): Promise<string[]> {
    return (await this.database.query<{ id: string }>(ORGANIZATIONS)).map(({ id }) => id);
  }

  /** Removes at most so many of the oldest, and what is unanswered only if it was sent before `unansweredSince`; how many there were. */
  removeExpired(orgId: string, before: Date, unansweredSince: Date, limit: number): Promise<number> {
    return this.database.system(async (manager) => {
      const rows: { id: string }[] = await manager.query(EXPIRED, [orgId, before, unansweredSince, limit]);
      await removeExecutions(
        manager,
        rows.map(({ id }) => id),
        'own',
      );
      return rows.length;
    });
  }

  async removeReplays(orgId: string, before: Date): Promise<void> {
    await this.database.query(REMOVE_REPLAYS, [orgId, before]);
  }

  async removeDeadLetters(before: Date, limit: number): Promise<number> {
    const removed = await this.database.query(
      `DELETE FROM dead_letters WHERE ctid = ANY(ARRAY(SELECT ctid FROM dead_letters WHERE received_at < $1 LIMIT $2)) RETURNING 1`,
      [before, limit],
    );
    return removed.length;
  }

  async forgetErasedChats(before: Date): Promise<void> {
    await this.database.query('DELETE FROM erased_chats WHERE erased_at < $1', [before]);
  }

  /** Drops the daily partitions that end before this time and hold nothing of what has not ended; their names. */
  async dropPartitions(before: Date): Promise<string[]> {
    const partitions = await this.database.query<{ name: string; day: string }>(DAY_PARTITIONS);
    const dropped: string[] = [];
    for (const { name, day } of partitions) {
      if (Date.parse(`${day}T00:00:00Z`) + DAY_MS <= before.getTime() && (await this.drop(name))) dropped.push(name);
    }
    return dropped;
  }

  private drop(partition: string): Promise<boolean> {
    return this.database.owner(async (manager) => {
      const open: unknown[] = await manager.query(
        `SELECT FROM ${partition} JOIN executions USING (invocation_id) WHERE completed_at IS NULL LIMIT 1`,
      );
      if (open.length > 0) return false;
      await manager.query(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`);
      await manager.query(`DROP TABLE ${partition}`);
      return true;
    });
  }
}
