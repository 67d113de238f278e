import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A dead letter has a name of its own, and remembers that it was sent again. */
export class ResendDeadLetters1764300000500 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE dead_letters
        ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid(),
        ADD COLUMN resent_at timestamptz,
        ADD COLUMN resent_by text,
        ADD COLUMN resent_count integer NOT NULL DEFAULT 0`);
    await runner.query(`CREATE UNIQUE INDEX dead_letters_by_id ON dead_letters (id)`);
    await runner.query(`CREATE INDEX dead_letters_list ON dead_letters (received_at DESC, id DESC)`);
    await runner.query(`DROP INDEX dead_letters_newest`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE INDEX dead_letters_newest ON dead_letters (received_at DESC)`);
    await runner.query(`ALTER TABLE dead_letters DROP COLUMN id, DROP COLUMN resent_at, DROP COLUMN resent_by, DROP COLUMN resent_count`);
  }
}
