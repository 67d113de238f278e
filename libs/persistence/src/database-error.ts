import { isNativeError } from 'node:util/types';

/** An error that went away by itself before and may again; an answer of Postgres about the statement itself is passed on as it came. */
export class DatabaseError extends Error {
  constructor(
    readonly code: 'database_unavailable' | 'database_conflict',
    message: string,
    readonly retryable: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Classes of SQLSTATE: 08 connection, 53 no resources, 57 operator intervention (shutdown, starting up), 58 system. */
const UNAVAILABLE = /^(08|53|57|58)/;
/** Serialization failure, deadlock, lock not available, transaction idle for too long, statement timeout. */
const CONFLICT = new Set(['40001', '40P01', '55P03', '25P03', '57014']);
const NETWORK = /^(ECONN|EPIPE|ETIMEDOUT|ENOENT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN)/;
/** pg gives these, and only these, no code; TypeORM's two mean a connection that broke between two statements. */
const LOST_MESSAGE =
  /^(Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect|Query read timeout|Client was closed)/;
const LOST_NAME = /^QueryRunner(Provider)?AlreadyReleasedError$/;

/** Wraps what may pass into a retryable `DatabaseError`; any other error is returned as it is. */
export const describeDatabaseError = (error: unknown): unknown => {
  if (!isNativeError(error) || error instanceof DatabaseError) return error;
  const code = codeOf(error);
  if (code && CONFLICT.has(code)) return new DatabaseError('database_conflict', error.message, true, { cause: error });
  const lost =
    code === undefined ? LOST_MESSAGE.test(error.message) || LOST_NAME.test(error.name) : UNAVAILABLE.test(code) || NETWORK.test(code);
  if (lost) {
    return new DatabaseError('database_unavailable', error.message || code || 'connection lost', true, { cause: error });
  }
  return error;
};

/** SQLSTATE or errno; a connection tried over several addresses fails with an `AggregateError` whose own code is that of the first. */
export const codeOf = (error: unknown): string | undefined => {
  const { code, driverError } = error as { code?: unknown; driverError?: { code?: unknown } };
  const found = code ?? driverError?.code;
  return typeof found === 'string' ? found : undefined;
};
