import type { LogRecord } from '../log.js';

/** Told what happens in the consumer groups of a process, for metrics and logs. Called on the hot path: count, do no work. */
export interface ConsumerObserver {
  /** A record is more than its bulkhead may hold and is handed over as surplus. */
  surplus?(group: string, record: LogRecord): void;
  /** A handler failed and is tried again in place. */
  retrying?(group: string, record: LogRecord, error: unknown, delayMs: number): void;
  /** The tries for an error that is not retryable are used up. */
  unprocessable?(group: string, record: LogRecord, error: unknown): void;
  /** A record became a dead letter. The reason is one of the contract's. */
  deadLettered?(group: string, record: LogRecord, reason: string): void;
  /** The group's own `assigned` failed and is tried again; its new partitions wait. */
  preparationFailed?(group: string, error: unknown): void;
  commitFailed?(group: string, error: unknown): void;
  /** The group fell out and joins anew. */
  rejoining?(group: string, error: Error): void;
}

export interface ConsumerStats {
  readonly group: string;
  readonly assignedPartitions: number;
  /** Delivered and not started. */
  readonly queued: number;
  readonly inFlight: number;
  /** Gave their slot back and are not done: what follows from them is not acknowledged yet. Not part of `inFlight`. */
  readonly yielded: number;
  /** Handed over as surplus and not completed. Not part of `inFlight`. */
  readonly surplus: number;
  readonly inFlightByBulkhead: Readonly<Record<string, number>>;
  /** Waiting for another try, part of `inFlight` or `yielded`. */
  readonly retrying: number;
  /** Delivered and not completed. */
  readonly records: number;
  readonly bytes: number;
  /** Age of the longest delivered record that is not completed, 0 for none. */
  readonly oldestAgeMs: number;
  /** Partitions whose fetching is stopped because the buffer is full. */
  readonly heldPartitions: number;
  /** How long any were stopped, in all, counted at ticks of 100 ms. */
  readonly heldMs: number;
  /** Records above the committed offset that were delivered, done ones included: the commit tells which those are. */
  readonly commitLag: number;
  /** Records that were delivered again, or that an earlier owner had completed; dropped. */
  readonly duplicatesDropped: number;
  /** Times that ownership was settled, the first join included. */
  readonly rebalances: number;
}
