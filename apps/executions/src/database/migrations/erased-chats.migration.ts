import { enableRowLevelSecurity } from '@cf/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What is left of a chat that was erased: a hash, by which results that come late are known and not recorded. */
export class ErasedChats1764300000400 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE erased_chats (
        chat_hash text PRIMARY KEY,
        org_id uuid NOT NULL,
        erased_at timestamptz NOT NULL
      )`);
    for (const statement of enableRowLevelSecurity('erased_chats')) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE erased_chats');
  }
}
