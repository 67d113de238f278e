import { buildIndex, dropIndex } from '@cf/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What did not succeed, newest first, whatever its status: a list may ask for several statuses at once, and an index that
 * begins with the status would have to be sorted for it.
 */
export class IndexUnsuccessful1764300000300 implements MigrationInterface {
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    const on = `executions (org_id, created_at DESC, invocation_id DESC) WHERE status <> 'succeeded'`;
    await buildIndex(runner, 'executions_unsuccessful', on);
    await dropIndex(runner, 'executions_by_status');
  }

  async down(runner: QueryRunner): Promise<void> {
    const on = `executions (org_id, status, created_at DESC, invocation_id DESC) WHERE status <> 'succeeded'`;
    await buildIndex(runner, 'executions_by_status', on);
    await dropIndex(runner, 'executions_unsuccessful');
  }
}
