import { idempotencyTable } from '@cf/idempotency';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateIdempotencyKeys1764220000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of idempotencyTable()) await runner.query(statement);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward'));
  }
}
