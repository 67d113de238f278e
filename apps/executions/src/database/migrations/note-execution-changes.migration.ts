import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What changed, for live streams: one row per statement that wrote executions, whoever ran it, with the ids it touched. So a batch
 * of 500 results costs one small row. `xid` and `position` order the rows; `ExecutionChanges` says why that order has no gaps.
 * Uuids do not compress, so their array is stored as it is.
 */
const statements = [
  `CREATE TABLE execution_changes (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    position bigint GENERATED ALWAYS AS IDENTITY,
    changed_at timestamptz NOT NULL DEFAULT now(),
    org_ids uuid[] NOT NULL,
    invocation_ids uuid[] NOT NULL,
    PRIMARY KEY (xid, position)
  )`,
  `ALTER TABLE execution_changes ALTER COLUMN invocation_ids SET STORAGE EXTERNAL`,
  `GRANT SELECT, INSERT, DELETE ON execution_changes TO cf_system`,
  `CREATE FUNCTION note_execution_changes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
   BEGIN
     INSERT INTO execution_changes (org_ids, invocation_ids) SELECT array_agg(org_id), array_agg(invocation_id) FROM changed HAVING count(*) > 0;
     RETURN NULL;
   END $$`,
  `CREATE TRIGGER note_added AFTER INSERT ON executions REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_execution_changes()`,
  `CREATE TRIGGER note_changed AFTER UPDATE ON executions REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_execution_changes()`,
];

export class NoteExecutionChanges1764300000700 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TRIGGER note_added ON executions`);
    await runner.query(`DROP TRIGGER note_changed ON executions`);
    await runner.query(`DROP FUNCTION note_execution_changes()`);
    await runner.query(`DROP TABLE execution_changes`);
  }
}
