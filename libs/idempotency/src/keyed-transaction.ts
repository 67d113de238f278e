import { AsyncLocalStorage } from 'node:async_hooks';
import { Problem } from '@cf/service-kit';
import type { IdempotencyKeys, RunQuery } from './idempotency-keys.js';
import type { KeptAnswer, KeyedRequest } from './keyed-request.js';

/** How long a request waits for the one before it with its key: a write takes some 10 ms, and whoever asks twice is in no hurry. */
export const WAIT_MS = 3_000;
/** The transaction itself holds the key; one that commits without an answer, since there was nothing to do, leaves it free. */
const NO_LEASE = 0;
const LOCK_NOT_AVAILABLE = '55P03';

export const inUse = (): Problem =>
  new Problem(
    409,
    'idempotency_key_in_use',
    'A request with this Idempotency-Key is still running; its answer comes with the next try.',
    [],
    {
      'retry-after': '1',
    },
  );

/** Ends a transaction that is not needed: its request was answered before. */
export class AnsweredBefore extends Error {
  constructor(readonly answer: KeptAnswer) {
    super('answered before');
    this.name = new.target.name;
  }
}

/** A transaction as TypeORM gives it. */
export interface Transaction {
  query(sql: string, params?: unknown[]): Promise<unknown>;
}

/** The key of the request that runs, for a service whose effect is one transaction. */
export class KeyedTransaction {
  private claim: string | null = null;

  constructor(
    private readonly keys: IdempotencyKeys,
    private readonly request: KeyedRequest,
    private readonly answerOf: (result: unknown) => KeptAnswer,
  ) {}

  /** The first statement of the transaction. Waits at the key's row for another transaction that holds it. */
  async begin(transaction: Transaction): Promise<void> {
    await transaction.query(`SELECT set_config('lock_timeout', $1, true)`, [String(WAIT_MS)]);
    const claim = await this.keys.claim(runIn(transaction), this.request, NO_LEASE).catch((error: unknown) => {
      throw (error as { driverError?: { code?: string } }).driverError?.code === LOCK_NOT_AVAILABLE ? inUse() : error;
    });
    await transaction.query(`SELECT set_config('lock_timeout', '0', true)`);
    if (claim.state === 'answered') throw new AnsweredBefore(claim.answer);
    if (claim.state === 'running') throw inUse();
    this.claim = claim.claim;
  }

  /** The last one: the answer that follows from the result commits with it. */
  async keep(transaction: Transaction, result: unknown): Promise<void> {
    if (this.claim === null) throw new Error('the transaction did not begin with its key');
    await this.keys.keep(runIn(transaction), this.request, this.claim, this.answerOf(result));
  }
}

const runIn =
  (transaction: Transaction): RunQuery =>
  <R>(sql: string, params?: unknown[]) =>
    transaction.query(sql, params) as Promise<R[]>;

const transactions = new AsyncLocalStorage<KeyedTransaction>();

/** The key that the running request's transaction must begin and end with; null when it has none. */
export const keyedTransaction = (): KeyedTransaction | null => transactions.getStore() ?? null;

export const runKeyed = <T>(transaction: KeyedTransaction, work: () => Promise<T>): Promise<T> => transactions.run(transaction, work);
