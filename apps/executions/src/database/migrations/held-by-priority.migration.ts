import { buildIndex, dropIndex } from '@cf/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Held rows of a function in the order of their release: what was sent again in bulk goes behind everything else. */
export class HeldByPriority1764300007000 implements MigrationInterface {
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    await buildIndex(runner, 'due_held_next', 'due (cloud_function_id, priority, due_at) WHERE held');
    await dropIndex(runner, 'due_held');
  }

  async down(runner: QueryRunner): Promise<void> {
    await buildIndex(runner, 'due_held', 'due (cloud_function_id, due_at) WHERE held');
    await dropIndex(runner, 'due_held_next');
  }
}
