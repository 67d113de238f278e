import type { QueryRunner } from 'typeorm';

/**
 * Builds an index while others go on writing, however many rows there are: for a migration with `transaction = false`, since Postgres
 * builds like that outside a transaction only. What a broken-off build left is built anew, so the migration may be run again.
 */
export const buildIndex = async (runner: QueryRunner, name: string, on: string): Promise<void> => {
  await dropIndex(runner, name);
  await runner.query(`CREATE INDEX CONCURRENTLY ${name} ON ${on}`);
};

/** The counterpart: nobody waits for it either. */
export const dropIndex = (runner: QueryRunner, name: string): Promise<void> => runner.query(`DROP INDEX CONCURRENTLY IF EXISTS ${name}`);
