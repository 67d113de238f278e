import pg from 'pg';

/** The SQLSTATE of an answer of Postgres, null for what happened on the way to it. */
export const sqlState = (error: unknown): string | null => (error instanceof pg.DatabaseError ? (error.code ?? null) : null);

/**
 * Classes that say something about the server's moment, not about what was asked: connection, invalid state of a restart or failover,
 * resources, operator intervention, system error, lock and rollback.
 */
const TEMPORARY_CLASSES = ['08', '25', '40', '53', '55', '57', '58'];

export const isTemporary = (error: unknown): boolean => {
  const state = sqlState(error);
  return state === null || TEMPORARY_CLASSES.includes(state.slice(0, 2));
};

/** Data exceptions and exceeded program limits: the same records would be refused again. */
export const blamesRecords = (error: unknown): boolean => ['22', '54'].includes(sqlState(error)?.slice(0, 2) ?? '');

export const UNDEFINED_TABLE = '42P01';
export const UNIQUE_VIOLATION = '23505';
