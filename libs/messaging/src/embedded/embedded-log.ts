import type {
  GroupMember,
  GroupOptions,
  LogReader,
  LogRecord,
  LogStatus,
  MessageLog,
  Publisher,
  ReadBackOptions,
  ReaderOptions,
  TopicSpec,
} from '../log.js';
import { MessagingError } from '../errors.js';
import type { AppendBounds, Priority } from './append-queue.js';
import { Appender } from './appender.js';
import { CommittedOffsets } from './committed-offsets.js';
import { ConsumerGroup } from './consumer-group.js';
import { EmbeddedPublisher } from './embedded-publisher.js';
import type { LogStorage, Ownership } from './log-storage.js';
import { LogView } from './log-view.js';
import { MemoryStorage } from './memory-storage.js';
import type { PostgresStorageOptions } from './postgres/postgres-storage.js';
import { PostgresStorage } from './postgres/postgres-storage.js';
import { readBack } from './read-back.js';
import { decideTrim } from './retention.js';
import { TopicReader } from './topic-reader.js';

export interface EmbeddedLogOptions {
  /** Records kept in memory over all partitions, for consumers near the end; others read from the storage. Default 64 MiB. */
  readonly recentBytesMax?: number;
  /** How long a publish waits for the storage (a restart of Postgres) before it rejects as retryable. Default 30 s. */
  readonly publishTimeoutMs?: number;
  /** How often consumed segments are looked for. Default 60 s. */
  readonly trimEveryMs?: number;
}

const DEFAULTS = { recentBytesMax: 64 * 1024 * 1024, publishTimeoutMs: 30_000, trimEveryMs: 60_000 } satisfies EmbeddedLogOptions;

/**
 * 250 records or 256 KiB are written in a few milliseconds: that is what a step waits for at most.
 * Consumers bound what they have in flight, so a queue this long means that the storage is away.
 */
const APPEND_BOUNDS: AppendBounds = {
  batchRecordsMax: 250,
  batchBytesMax: 256 * 1024,
  queuedRecordsMax: 100_000,
  queuedBytesMax: 128 * 1024 * 1024,
};

/**
 * A partitioned log with consumer groups inside one process, over a storage that this process alone writes.
 * What is published is delivered after it is durable, from memory.
 */
export class EmbeddedLog implements MessageLog {
  readonly engine = 'embedded';
  private readonly options: Required<EmbeddedLogOptions>;
  private readonly view: LogView;
  private readonly commits: CommittedOffsets;
  private readonly groups = new Map<string, ConsumerGroup>();
  private readonly readers = new Set<TopicReader>();
  private readonly appender: Appender;
  private creating: Promise<void> = Promise.resolve();
  private trimming: NodeJS.Timeout | undefined;
  private ownership: Ownership = 'lost';
  private ownershipReason = 'not started';
  private trimTrouble = '';
  private closing: Promise<void> | null = null;

  constructor(
    private readonly storage: LogStorage,
    options: EmbeddedLogOptions = {},
  ) {
    this.options = { ...DEFAULTS, ...options };
    this.view = new LogView(storage, this.options.recentBytesMax);
    this.commits = new CommittedOffsets(storage);
    this.appender = new Appender(storage, this.view, { ...APPEND_BOUNDS, publishTimeoutMs: this.options.publishTimeoutMs });
  }

  /** A log that lives as long as the object: for tests. */
  static inMemory(options?: EmbeddedLogOptions): EmbeddedLog {
    return new EmbeddedLog(new MemoryStorage(), options);
  }

  /** A log in schema `embedded_log` of this database. `start` rejects when another process owns it. */
  static onPostgres(options: PostgresStorageOptions & EmbeddedLogOptions): EmbeddedLog {
    return new EmbeddedLog(new PostgresStorage(options), options);
  }

  async start(): Promise<void> {
    const stored = await this.storage.open({ onOwnership: (ownership, reason) => this.ownershipChanged(ownership, reason) });
    this.view.load(stored);
    this.commits.load(stored.groups);
    this.appender.open(stored.lastTimestampMs);
    this.trimLater();
  }

  ensureTopics(topics: readonly TopicSpec[]): Promise<void> {
    const created = this.creating.then(() => this.createMissing(topics));
    // Services of one process ask for the same topics at once; a failure is told to who asked.
    this.creating = created.catch(() => undefined);
    return created;
  }

  async partitionCount(topic: string): Promise<number> {
    return this.view.partitions(topic).length;
  }

  async endOffsets(topic: string): Promise<readonly number[]> {
    return this.view.partitions(topic).map(({ endOffset }) => endOffset);
  }

  async committedOffsets(group: string, topic: string): Promise<readonly (number | null)[]> {
    return this.view.partitions(topic).map(({ partition }) => this.commits.of(group, topic, partition)?.offset ?? null);
  }

  createPublisher(name: string, priority: Priority): Publisher {
    return new EmbeddedPublisher(name, priority, this.view, this.appender);
  }

  async join(options: GroupOptions): Promise<GroupMember> {
    const group = this.groups.get(options.group) ?? new ConsumerGroup(this.view, this.commits);
    this.groups.set(options.group, group);
    return group.join(options);
  }

  read(options: ReaderOptions): LogReader {
    const reader = new TopicReader(this.view, options, (closed) => this.readers.delete(closed));
    this.readers.add(reader);
    return reader;
  }

  readBack(options: ReadBackOptions): AsyncIterable<readonly LogRecord[]> {
    return readBack(this.view, options);
  }

  status(): LogStatus {
    if (this.ownership !== 'owned') return { ok: false, detail: this.ownershipReason };
    const { trouble, waiting } = this.appender;
    if (trouble !== null && waiting > 0) return { ok: false, detail: `records are not accepted: ${trouble}` };
    return {
      ok: true,
      detail: `${this.ownershipReason}; ${this.view.specs().length} topics, ${waiting} records wait to be appended${this.trimTrouble}`,
    };
  }

  close(): Promise<void> {
    this.closing ??= this.stop();
    return this.closing;
  }

  private async createMissing(topics: readonly TopicSpec[]): Promise<void> {
    for (const spec of topics) {
      if (this.view.has(spec.name)) continue;
      await this.storage.createTopic(spec);
      this.view.add(spec);
    }
  }

  private async stop(): Promise<void> {
    clearTimeout(this.trimming);
    await Promise.all([...this.groups.values()].map((group) => group.leaveAll()));
    await this.appender.close();
    for (const reader of this.readers) await reader.close();
    await this.commits.flush();
    await this.storage.close();
  }

  private ownershipChanged(ownership: Ownership, reason: string): void {
    this.ownership = ownership;
    this.ownershipReason = reason;
    this.view.readable = ownership === 'owned';
    if (ownership === 'owned') this.view.wakeAll();
    if (ownership !== 'fenced') return;
    this.appender.fence(reason);
    for (const group of this.groups.values()) group.expel(new MessagingError('fenced', reason, true));
  }

  private trimLater(): void {
    this.trimming = setTimeout(() => void this.trim().finally(() => this.closing ?? this.trimLater()), this.options.trimEveryMs).unref();
  }

  private async trim(): Promise<void> {
    try {
      const nowMs = Date.now();
      for (const group of this.groups.values()) {
        for (const { group: name, topics } of group.subscriptions()) await this.commits.register(name, topics, nowMs);
      }
      for (const spec of this.view.specs()) {
        const partitions = this.view.partitions(spec.name);
        const startOffsets = await this.storage.trim(decideTrim(spec, partitions.length, this.commits.groupsOf(spec.name), nowMs));
        for (const log of partitions) log.startOffset = startOffsets[log.partition] ?? log.startOffset;
      }
      this.trimTrouble = '';
    } catch (error) {
      this.trimTrouble = `; consumed records could not be dropped: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
}
