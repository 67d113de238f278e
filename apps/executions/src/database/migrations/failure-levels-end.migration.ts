import type { MigrationInterface, QueryRunner } from 'typeorm';

/** When a level of failure was reached last: it ends with that window. The release before leaves it out, and means now. */
export class FailureLevelsEnd1764300007200 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE function_failures ADD COLUMN reached_at timestamptz NOT NULL DEFAULT now()');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE function_failures DROP COLUMN reached_at');
  }
}
