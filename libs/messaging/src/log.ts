/**
 * The log port: what the product needs of a partitioned log, and nothing that only one engine has.
 * Two adapters implement it (`KafkaLog`, `EmbeddedLog`), one conformance suite in `libs/testing` holds both to this text.
 *
 * Offsets are plain numbers: 2^53 records a partition is out of reach.
 */

export interface LogRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
  /** Broker time (append time for the embedded log), ms since the epoch. */
  readonly timestampMs: number;
}

/** A record to append. Without `partition` the key decides (murmur2, as Kafka's own clients do), without both any partition. */
export interface OutgoingRecord {
  readonly topic: string;
  readonly partition?: number;
  readonly key: string | null;
  readonly value: string | Buffer | null;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface TopicSpec {
  readonly name: string;
  readonly partitions: number;
  readonly cleanup: 'delete' | 'compact';
  /** Null leaves the engine's default. */
  readonly retentionMs: number | null;
  readonly messageBytesMax: number;
}

/**
 * Appends in batches: one send is in flight, and the next carries all that came meanwhile. A single record is never kept waiting.
 * `publish` resolves once the record is durable and rejects with a `PublishError`; records of one publisher
 * for one partition are appended in the order of the calls. Each lane owns a publisher (invariant 10).
 */
export interface Publisher {
  publish(record: OutgoingRecord): Promise<void>;
  /** Waits for what was given to it, then refuses more. */
  close(): Promise<void>;
}

export interface AssignedPartition extends TopicPartition {
  /** First offset that was not completed by an earlier owner; null for a group that never committed here. */
  readonly committedOffset: number | null;
  /** What was committed beside it, empty when nothing was. */
  readonly metadata: string;
}

export interface OffsetCommit extends TopicPartition {
  /** The next offset to read. */
  readonly offset: number;
  /** At most 4,096 characters of ASCII. */
  readonly metadata?: string;
}

/**
 * What a consumer group tells its member. A partition is delivered in offset order from its committed offset (from the beginning
 * when the group never committed) and again from there after a crash.
 */
export interface GroupListener {
  /**
   * Newly owned partitions, awaited before their first record is delivered. Told after every join, also with none; partitions kept
   * over a rebalance are not named again.
   */
  assigned(partitions: readonly AssignedPartition[]): Promise<void>;
  /** Records of one partition. Must return at once; a record already delivered to this member is not delivered again. */
  records(topic: string, partition: number, records: readonly LogRecord[]): void;
  /**
   * These are about to go to others, or this member leaves: finish or let go, then commit. Awaited for at most `drainTimeoutMs`, then
   * they are `lost`. Until then commits for them are accepted and nothing more of them is delivered; all others go on.
   */
  revoking(partitions: readonly TopicPartition[]): Promise<void>;
  /** Partitions that this member does not own any more. Nothing may be committed for them. */
  lost(partitions: readonly TopicPartition[]): void;
  /** The member fell out with an error and is joining anew; health is red until the next assignment. */
  failed(error: Error): void;
}

export interface GroupOptions {
  readonly group: string;
  readonly topics: readonly string[];
  /** Partition i of every topic goes to the same member. All topics must have the same number of partitions. */
  readonly coPartitioned: boolean;
  readonly drainTimeoutMs: number;
  /** What a known group does when its offset is gone: replay from the earliest record, or stop and turn red (guarantees.md §10). */
  readonly onOffsetOutOfRange: 'earliest' | 'stop';
  readonly listener: GroupListener;
}

export interface GroupMember {
  assignment(): readonly TopicPartition[];
  /** Commits for owned partitions; entries for partitions not owned (any more) are dropped silently. Rejects with `retryable` errors. */
  commit(offsets: readonly OffsetCommit[]): Promise<void>;
  /** Delivers nothing of these partitions until `resume`. Survives rebalances for partitions that stay. */
  pause(partitions: readonly TopicPartition[]): void;
  resume(partitions: readonly TopicPartition[]): void;
  /** True while joined, with an assignment (also an empty one). */
  healthy(): boolean;
  /**
   * False once a whole session has passed unanswered, as when a process was paused and goes on: others may own its partitions though
   * nobody told it yet, and what it started now would be called twice.
   */
  mayStart(): boolean;
  /** Calls `revoking` with all that it owns, then leaves the group. */
  leave(): Promise<void>;
}

export interface ReaderOptions {
  readonly topic: string;
  readonly from: 'beginning' | 'end';
  /** Called with the records of one partition, in order. Must return at once. */
  readonly onRecords: (partition: number, records: readonly LogRecord[]) => void;
}

/** Reads all partitions of a topic for one process, without a group and without commits. Reconnects by itself. */
export interface LogReader {
  /** Resolves when reading has begun at its starting position in every partition. */
  readonly positioned: Promise<void>;
  /** The next offset of each partition: what lies below it was delivered (or compacted away). */
  positions(): readonly number[];
  /** Resolves when the positions have reached these end offsets, rejects after `timeoutMs`. */
  reached(endOffsets: readonly number[], timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}

export interface ReadBackOptions extends TopicPartition {
  /** Reads the records below this offset … */
  readonly untilOffset: number;
  /** … that are not older than this … */
  readonly sinceMs: number;
  /** … and only the last so many of them. */
  readonly recordsMax: number;
}

export interface LogStatus {
  readonly ok: boolean;
  /** Why not, in words for an operator; also says something useful when ok. */
  readonly detail: string;
}

export interface MessageLog {
  readonly engine: 'kafka' | 'embedded';
  /** Connects; waits until the log is there, rejects after the timeout. */
  start(): Promise<void>;
  /** Creates what is missing; an existing topic keeps its partitions. */
  ensureTopics(topics: readonly TopicSpec[]): Promise<void>;
  partitionCount(topic: string): Promise<number>;
  /** The offset after the last record of each partition, asked of the log now. */
  endOffsets(topic: string): Promise<readonly number[]>;
  /** Per partition what a group committed, null where it did not. */
  committedOffsets(group: string, topic: string): Promise<readonly (number | null)[]>;
  /** `name` shows in metrics. `priority: 'step'` is appended before the rest where the engine has one writer, `trigger` may wait some ms for more. */
  createPublisher(name: string, priority: 'step' | 'trigger'): Publisher;
  join(options: GroupOptions): Promise<GroupMember>;
  read(options: ReaderOptions): LogReader;
  /** Records of one partition that lie behind, oldest first, in chunks. */
  readBack(options: ReadBackOptions): AsyncIterable<readonly LogRecord[]>;
  /** Asked often by health checks, so it answers from what is known. */
  status(): LogStatus;
  close(): Promise<void>;
}
