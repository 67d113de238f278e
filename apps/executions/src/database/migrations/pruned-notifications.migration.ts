import { enableRowLevelSecurity } from '@cf/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Up to which position some notifications of an organization are not kept any more, so that a reader from before it is told of the gap. */
const statements = [
  `CREATE TABLE pruned_notifications (
    org_id uuid PRIMARY KEY,
    position bigint NOT NULL
  )`,
  ...enableRowLevelSecurity('pruned_notifications'),
  'REVOKE INSERT, UPDATE, DELETE ON pruned_notifications FROM cf_tenant',
];

export class PrunedNotifications1764300007310 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE pruned_notifications');
  }
}
