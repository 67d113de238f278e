import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The ids that a dead letter names, so that those of a chat are found without reading all. Null until a letter was read for them. */
export class NameDeadLetters1764300007110 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE dead_letters ADD COLUMN ids uuid[] DEFAULT NULL, ADD COLUMN organization_ids uuid[] DEFAULT NULL');
    await runner.query('CREATE INDEX dead_letters_by_named_id ON dead_letters USING gin (ids)');
    await runner.query('CREATE INDEX dead_letters_unread ON dead_letters (id) WHERE ids IS NULL');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE dead_letters DROP COLUMN ids, DROP COLUMN organization_ids');
  }
}
