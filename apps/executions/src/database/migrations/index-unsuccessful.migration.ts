import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What did not succeed, newest first, whatever its status: a list may ask for several statuses at once, and an index that
 * begins with the status would have to be sorted for it.
 */
export class IndexUnsuccessful1764300000300 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // The strongest lock first: a recorder that has read and is about to write would wait for us, and we for it.
    await runner.query('LOCK TABLE executions IN ACCESS EXCLUSIVE MODE');
    await runner.query(
      `CREATE INDEX executions_unsuccessful ON executions (org_id, created_at DESC, invocation_id DESC) WHERE status <> 'succeeded'`,
    );
    await runner.query(`DROP INDEX executions_by_status`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE INDEX executions_by_status ON executions (org_id, status, created_at DESC, invocation_id DESC) WHERE status <> 'succeeded'`,
    );
    await runner.query(`DROP INDEX executions_unsuccessful`);
  }
}
