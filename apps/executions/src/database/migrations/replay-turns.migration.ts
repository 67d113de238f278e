import type { MigrationInterface, QueryRunner } from 'typeorm';

/** When each organization last had its turn at the pace that all replays share. */
export class ReplayTurns1764300005200 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE replay_turns (org_id uuid PRIMARY KEY, advanced_at timestamptz NOT NULL)');
    await runner.query('GRANT SELECT, INSERT, UPDATE ON replay_turns TO cf_system');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE replay_turns');
  }
}
