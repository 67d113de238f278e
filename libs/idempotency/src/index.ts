export * from './idempotency-keys.js';
export * from './idempotency-table.js';
export * from './idempotent.js';
export { IdempotencyInterceptor } from './idempotency.interceptor.js';
export { keyedTransaction, type KeyedTransaction } from './keyed-transaction.js';
