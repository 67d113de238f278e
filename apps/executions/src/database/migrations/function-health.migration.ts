import { enableRowLevelSecurity } from '@cf/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * `health_deltas`: what a recording transaction adds to the health of functions, as one row that lives for a second or two; appended, so that
 * recorders never wait for one another, and not compressed, since it is read once.
 * One process at a time folds them into `function_health` (a row per function and five minutes, later per hour), and tells what it notices.
 * Positions of notifications are drawn by that one process, so their order is the order of commits.
 */
const statements = [
  `CREATE TABLE health_deltas (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    deltas text NOT NULL
  )`,
  `ALTER TABLE health_deltas ALTER COLUMN deltas SET STORAGE EXTERNAL`,
  `GRANT SELECT, INSERT, DELETE ON health_deltas TO cf_system`,
  `CREATE TABLE function_health (
    org_id uuid NOT NULL,
    cloud_function_id uuid NOT NULL,
    span text NOT NULL,
    bucket_at timestamptz NOT NULL,
    tally json NOT NULL,
    PRIMARY KEY (cloud_function_id, span, bucket_at, org_id)
  ) WITH (fillfactor = 50)`,
  `CREATE INDEX function_health_oldest ON function_health (span, bucket_at)`,
  `CREATE TABLE function_circuits (
    org_id uuid NOT NULL,
    cloud_function_id uuid NOT NULL,
    lane text NOT NULL,
    worker text NOT NULL,
    state text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (cloud_function_id, lane, worker, org_id)
  )`,
  `CREATE TABLE function_failures (
    org_id uuid NOT NULL,
    cloud_function_id uuid NOT NULL,
    level smallint NOT NULL,
    PRIMARY KEY (cloud_function_id, org_id)
  )`,
  `CREATE SEQUENCE notification_positions`,
  `GRANT USAGE ON notification_positions TO cf_system`,
  `CREATE TABLE notifications (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    position bigint NOT NULL,
    org_id uuid NOT NULL,
    cloud_function_id uuid NOT NULL,
    type text NOT NULL,
    count integer NOT NULL,
    details jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
  )`,
  `CREATE UNIQUE INDEX notifications_by_position ON notifications (position)`,
  `CREATE INDEX notifications_newest ON notifications (org_id, created_at DESC, id DESC)`,
  `CREATE INDEX notifications_of_all ON notifications (created_at DESC, id DESC)`,
  `CREATE INDEX due_by_function ON due (cloud_function_id, due_at)`,
];

const tenantTables = ['function_health', 'function_circuits', 'function_failures', 'notifications'];

const readOnlyForTenants = `REVOKE INSERT, UPDATE, DELETE ON ${tenantTables.join(', ')} FROM cf_tenant`;

export class FunctionHealth1764300001100 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const guarded = tenantTables.flatMap((table) => enableRowLevelSecurity(table));
    for (const statement of [...statements, ...guarded, readOnlyForTenants]) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX due_by_function');
    await runner.query(`DROP TABLE ${[...tenantTables, 'health_deltas'].join(', ')}`);
    await runner.query('DROP SEQUENCE notification_positions');
  }
}
