import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * When an execution was last sent by the due table; for one that never was, when its row was written. What is older than this column counts as
 * sent now, so that retention takes nothing for unanswered that may be out.
 */
export class SentAt1764300007100 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE executions ADD COLUMN sent_at timestamptz NOT NULL DEFAULT now()');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE executions DROP COLUMN sent_at');
  }
}
