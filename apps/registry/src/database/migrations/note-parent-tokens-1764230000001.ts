import type { MigrationInterface, QueryRunner } from 'typeorm';

/** No foreign key: the release before deletes a parent without its children, and must not fail. */
const statements = [
  `ALTER TABLE access_tokens ADD COLUMN parent_id uuid`,
  `CREATE INDEX access_tokens_of_parent ON access_tokens (org_id, parent_id) WHERE parent_id IS NOT NULL`,
];

export class NoteParentTokens1764230000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward'));
  }
}
