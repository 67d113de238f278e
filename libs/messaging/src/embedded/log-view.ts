import type { LogRecord, TopicSpec } from '../log.js';
import { MessagingError } from '../errors.js';
import type { LogStorage, RecordChunk, StoredLog } from './log-storage.js';
import { recordBytes } from './log-storage.js';
import { PartitionLog, RecentRecords } from './partition-log.js';

/** One delivery: large enough to amortize, small enough that a pause takes effect soon. */
export const CHUNK = { records: 500, bytes: 1024 * 1024 } as const;

const withinBytes = (records: readonly LogRecord[]): readonly LogRecord[] => {
  let bytes = 0;
  const beyond = records.findIndex((record, index) => (bytes += recordBytes(record)) > CHUNK.bytes && index > 0);
  return beyond === -1 ? records : records.slice(0, beyond);
};

/** All partitions, and reading them: from memory near their end, from the storage further back. */
export class LogView {
  private readonly topics = new Map<string, { spec: TopicSpec; partitions: readonly PartitionLog[] }>();
  private readonly recent: RecentRecords;
  /** False while this process is not the owner: delivering then would do another owner's work twice. */
  readable = false;

  constructor(
    private readonly storage: LogStorage,
    recentBytesMax: number,
  ) {
    this.recent = new RecentRecords(recentBytesMax);
  }

  load(stored: StoredLog): void {
    for (const { spec, startOffsets, endOffsets } of stored.topics) this.add(spec, startOffsets, endOffsets);
  }

  add(spec: TopicSpec, startOffsets: readonly number[] = [], endOffsets: readonly number[] = []): void {
    const partitions = Array.from(
      { length: spec.partitions },
      (_, index) => new PartitionLog(spec, index, startOffsets[index] ?? 0, endOffsets[index] ?? 0),
    );
    this.topics.set(spec.name, { spec, partitions });
  }

  has(topic: string): boolean {
    return this.topics.has(topic);
  }

  specs(): readonly TopicSpec[] {
    return [...this.topics.values()].map(({ spec }) => spec);
  }

  partitions(topic: string): readonly PartitionLog[] {
    const found = this.topics.get(topic);
    if (found === undefined) throw new MessagingError('unknown_topic', `there is no topic ${topic}`, false);
    return found.partitions;
  }

  partition(topic: string, partition: number): PartitionLog {
    const found = this.partitions(topic)[partition];
    if (found === undefined) throw new MessagingError('unknown_partition', `${topic} has no partition ${partition}`, false);
    return found;
  }

  /** Takes over what the storage has made durable, then wakes whoever waits for it. */
  appended(records: readonly LogRecord[]): void {
    const grown = new Set<PartitionLog>();
    for (const record of records) {
      const partition = this.partition(record.topic, record.partition);
      this.recent.add(partition, record);
      grown.add(partition);
    }
    for (const partition of grown) partition.wakeFollowers();
  }

  wakeAll(): void {
    for (const { partitions } of this.topics.values()) for (const partition of partitions) partition.wakeFollowers();
  }

  /** The next records at hand without waiting; null when they must be read. */
  chunkAtHand(partition: PartitionLog, fromOffset: number): RecordChunk | null {
    const records = partition.recentFrom(fromOffset, CHUNK.records);
    if (records === null) return null;
    const chunk = withinBytes(records);
    return { records: chunk, nextOffset: fromOffset + chunk.length };
  }

  async readChunk(
    partition: PartitionLog,
    fromOffset: number,
    untilOffset: number,
    recordsMax: number = CHUNK.records,
  ): Promise<RecordChunk> {
    return this.storage.read({
      topic: partition.topic.name,
      partition: partition.partition,
      fromOffset: Math.max(fromOffset, partition.startOffset),
      untilOffset,
      recordsMax,
      bytesMax: CHUNK.bytes,
    });
  }
}
