import type { AssignedPartition, LogRecord, TopicPartition } from './log.js';

/** At most `limit` handlers run at once for one bulkhead key (a function within a lane). Read anew at each dispatch. */
export interface Bulkhead {
  readonly key: string;
  readonly limit: number;
  /** Slots are shared out between tenants first, then between the bulkheads of each. Always the same for a key. */
  readonly tenant?: string;
}

export interface RecordContext {
  /** Aborted when the partition is lost or the drain time is over: let go, nothing that follows counts. */
  readonly signal: AbortSignal;
  /** More than the record's bulkhead may hold (`WindowQuota`): let it go at once, without what the bulkhead is there to bound. */
  readonly isSurplus: boolean;
  /**
   * What had to be in order and within limits is over (the call has ended): gives the slot, the bulkhead and the order key to others, while
   * `handle` goes on until what follows is acknowledged. A try after that runs beside the record's successors and must not call again.
   * What runs and what gave its slot back are at most twice `maxInFlight` together.
   */
  yieldSlot(): void;
}

/**
 * What one bulkhead may hold of what is delivered and not completed, so that it cannot stop its partitions for the others. It is held to
 * this while its calls take at least `callMs`: as many may wait as it works off in `worksOffMs`, the youngest beyond that are surplus.
 */
export interface WindowQuota {
  readonly callMs: number;
  readonly worksOffMs: number;
}

/**
 * What a consumer group does with its records. Everything but `handle` is synchronous and cheap, and reads headers or the key
 * rather than the value.
 *
 * `handle` resolves when what follows from the record is acknowledged: only then may its offset be committed (invariant 4).
 * A rejection with `retryable: true` is tried again in place with back-off, for as long as the partition is owned;
 * any other one after three tries goes to `unprocessable`, whose resolution completes the record.
 */
export interface GroupPolicy {
  handle(record: LogRecord, context: RecordContext): Promise<void>;
  unprocessable(record: LogRecord, error: unknown): Promise<void>;
  /** Told of every record in offset order, before any of them starts. */
  delivered?(record: LogRecord): void;
  /** Records with the same order key run one at a time in offset order; null is unordered. */
  orderKey?(record: LogRecord): string | null;
  /** Null is bounded by the group's limit alone. */
  bulkhead?(record: LogRecord): Bulkhead | null;
  /** Awaited before the first record of newly owned partitions is dispatched. */
  assigned?(partitions: readonly AssignedPartition[]): Promise<void>;
  /** Told again, once `assigned` has ended, of what was lost while it ran. */
  lost?(partitions: readonly TopicPartition[]): void;
}

export interface ParallelConsumerOptions {
  readonly group: string;
  readonly topics: readonly string[];
  readonly coPartitioned?: boolean;
  /** Handlers at once, over all partitions; beside them as many that gave their slot back (`yieldSlot`). */
  readonly maxInFlight: number;
  /** Records fetched and not completed, over all partitions; above it fetching stops. */
  readonly maxBufferedRecords: number;
  readonly maxBufferedBytes: number;
  /** Only for handlers that know what surplus is. Default: none. */
  readonly quota?: WindowQuota;
  /**
   * On a graceful revoke: `drain` waits for what runs, `complete-running` commits what runs as done and finishes it afterwards
   * (step lane: a booked appointment is not booked twice because a worker was added, guarantees.md §3).
   */
  readonly onRevoke: 'drain' | 'complete-running';
  readonly drainTimeoutMs: number;
  readonly onOffsetOutOfRange?: 'earliest' | 'stop';
}
