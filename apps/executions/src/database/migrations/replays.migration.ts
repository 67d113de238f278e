import { enableRowLevelSecurity } from '@cf/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** `replay_items.seq` is null for an invocation that was named and not looked at yet. `replay_pace` is one row: all replays share one pace. */
const tables = [
  `CREATE TABLE replays (
    id uuid PRIMARY KEY,
    org_id uuid NOT NULL,
    name text NOT NULL,
    status text NOT NULL,
    filter json,
    only_if_not_succeeded boolean NOT NULL,
    total integer NOT NULL,
    enqueued integer NOT NULL DEFAULT 0,
    succeeded integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    cancelled integer NOT NULL DEFAULT 0,
    skipped json NOT NULL DEFAULT '{}',
    all_enqueued boolean NOT NULL DEFAULT false,
    cursor_created_at timestamptz,
    cursor_invocation_id uuid,
    created_by json NOT NULL,
    created_at timestamptz NOT NULL,
    completed_at timestamptz,
    advanced_at timestamptz,
    counted_at timestamptz
  )`,
  `CREATE INDEX replays_newest ON replays (org_id, created_at DESC, id DESC)`,
  `CREATE INDEX replays_open ON replays (advanced_at NULLS FIRST, id) WHERE completed_at IS NULL`,
  `CREATE TABLE replay_items (
    replay_id uuid NOT NULL REFERENCES replays ON DELETE CASCADE,
    invocation_id uuid NOT NULL,
    org_id uuid NOT NULL,
    seq integer,
    PRIMARY KEY (replay_id, invocation_id)
  )`,
  `CREATE INDEX replay_items_by_invocation ON replay_items (invocation_id)`,
  `CREATE TABLE replay_pace (one boolean PRIMARY KEY DEFAULT true CHECK (one), next_at timestamptz NOT NULL)`,
  `INSERT INTO replay_pace (next_at) VALUES ('-infinity')`,
  `GRANT SELECT, UPDATE ON replay_pace TO cf_system`,
];

export class Replays1764300000200 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const guarded = ['replays', 'replay_items'].flatMap((table) => enableRowLevelSecurity(table));
    for (const statement of [...tables, ...guarded]) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE replay_items, replays, replay_pace');
  }
}
