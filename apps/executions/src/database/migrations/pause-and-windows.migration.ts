import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * `paused`: waits until the triggers of its function are resumed. `bulk`: goes behind everything else that waits, its retries too.
 * `retry_until`: the end of its retries when that is not 24 hours after the event.
 */
export class PauseAndWindows1764300000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE executions
        ADD COLUMN paused boolean NOT NULL DEFAULT false,
        ADD COLUMN bulk boolean NOT NULL DEFAULT false,
        ADD COLUMN retry_until timestamptz`);
    await runner.query(`ALTER TABLE held_functions ADD COLUMN paused boolean NOT NULL DEFAULT false`);
    await runner.query(`CREATE INDEX held_functions_paused ON held_functions (cloud_function_id) WHERE paused`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE held_functions DROP COLUMN paused`);
    await runner.query(`ALTER TABLE executions DROP COLUMN paused, DROP COLUMN bulk, DROP COLUMN retry_until`);
  }
}
