import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Held rows whose execution does not say yet that it is paused are found without looking at those that do. */
export class PausedDueRows1764300000600 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE due ADD COLUMN paused boolean NOT NULL DEFAULT false');
    await runner.query('CREATE INDEX due_held_unpaused ON due (cloud_function_id, due_at) WHERE held AND NOT paused');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE due DROP COLUMN paused');
  }
}
