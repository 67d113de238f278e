import { idempotencyTable } from '@cf/idempotency';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateIdempotencyKeys1764300000900 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of idempotencyTable()) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE idempotency_keys');
  }
}
