import type { MigrationInterface, QueryRunner } from 'typeorm';

/** One index of attempts does the work of two: it finds those of an invocation and keeps each attempt unique. */
export class AttemptsOneIndex1764300000100 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE attempts DROP CONSTRAINT attempts_pkey, ADD PRIMARY KEY (invocation_id, attempt_id, started_at)');
    await runner.query('DROP INDEX attempts_by_invocation');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE INDEX attempts_by_invocation ON attempts (invocation_id)');
    await runner.query('ALTER TABLE attempts DROP CONSTRAINT attempts_pkey, ADD PRIMARY KEY (attempt_id, started_at)');
  }
}
