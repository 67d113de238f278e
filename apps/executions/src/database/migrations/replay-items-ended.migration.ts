import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How an item of a replay stood when another replay ordered it again: from then on it is the other's. */
export class ReplayItemsEnded1764300007001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE replay_items ADD COLUMN ended_as text');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE replay_items DROP COLUMN ended_as');
  }
}
