import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Held rows of a function in the order of their release: what was sent again in bulk goes behind everything else. */
export class HeldByPriority1764300007000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // The strongest lock first: a claimer that has read and is about to write would wait for us, and we for it.
    await runner.query('LOCK TABLE due IN ACCESS EXCLUSIVE MODE');
    await runner.query('CREATE INDEX due_held_next ON due (cloud_function_id, priority, due_at) WHERE held');
    await runner.query('DROP INDEX due_held');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE INDEX due_held ON due (cloud_function_id, due_at) WHERE held');
    await runner.query('DROP INDEX due_held_next');
  }
}
