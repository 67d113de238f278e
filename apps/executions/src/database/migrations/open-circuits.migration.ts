import { enableRowLevelSecurity } from '@cf/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The lanes of functions that were told to be open and not to be closed again. Those of the release before are known by its rule: a worker
 * said so within the last hour.
 */
const statements = [
  `CREATE TABLE open_circuits (
    org_id uuid NOT NULL,
    cloud_function_id uuid NOT NULL,
    lane text NOT NULL,
    PRIMARY KEY (cloud_function_id, org_id, lane)
  )`,
  ...enableRowLevelSecurity('open_circuits'),
  'REVOKE INSERT, UPDATE, DELETE ON open_circuits FROM cf_tenant',
  `INSERT INTO open_circuits (org_id, cloud_function_id, lane)
   SELECT DISTINCT org_id, cloud_function_id, lane FROM function_circuits WHERE state <> 'closed' AND at > now() - interval '1 hour'`,
];

export class OpenCircuits1764300007300 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE open_circuits');
  }
}
