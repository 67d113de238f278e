import type { LogRecord, OffsetCommit, TopicSpec } from '../log.js';
import { recordBytes } from './log-storage.js';
import type { LogStorage, ReadRange, RecordChunk, StorageOpening, StoredGroup, StoredLog, TrimLimit } from './log-storage.js';

interface MemoryPartition {
  startOffset: number;
  endOffset: number;
  /** In offset order: by offset, or by key in a compacted topic, where a superseded record is taken out. */
  readonly records: Map<string | number, LogRecord>;
}

interface MemoryTopic {
  readonly spec: TopicSpec;
  readonly partitions: readonly MemoryPartition[];
}

const partitionOf = (topic: MemoryTopic | undefined, partition: number): MemoryPartition => {
  const found = topic?.partitions[partition];
  if (found === undefined) throw new Error(`no partition ${partition} of ${topic?.spec.name ?? 'an unknown topic'}`);
  return found;
};

/**
 * Keeps records for as long as the object lives; another log can be opened on it after the first was closed.
 * It forgets nothing but what is trimmed: for tests.
 */
export class MemoryStorage implements LogStorage {
  private readonly topics = new Map<string, MemoryTopic>();
  private readonly groups = new Map<string, { group: string; topic: string; seenAtMs: number; commits: Map<number, OffsetCommit> }>();
  private lastTimestampMs = 0;
  private owned = false;

  async open(opening: StorageOpening): Promise<StoredLog> {
    if (this.owned) throw new Error('another process owns this log');
    this.owned = true;
    opening.onOwnership('owned', 'in memory');
    const groups: StoredGroup[] = [...this.groups.values()].map((known) => ({ ...known, commits: [...known.commits.values()] }));
    const topics = [...this.topics.values()].map(({ spec, partitions }) => ({
      spec,
      startOffsets: partitions.map((partition) => partition.startOffset),
      endOffsets: partitions.map((partition) => partition.endOffset),
    }));
    return { topics, groups, lastTimestampMs: this.lastTimestampMs };
  }

  async createTopic(spec: TopicSpec): Promise<void> {
    const partitions = Array.from({ length: spec.partitions }, () => ({
      startOffset: 0,
      endOffset: 0,
      records: new Map<string | number, LogRecord>(),
    }));
    this.topics.set(spec.name, { spec, partitions });
  }

  async append(records: readonly LogRecord[]): Promise<void> {
    for (const record of records) {
      const topic = this.topics.get(record.topic);
      const partition = partitionOf(topic, record.partition);
      const place = topic?.spec.cleanup === 'compact' && record.key !== null ? record.key.toString('latin1') : record.offset;
      partition.records.delete(place);
      partition.records.set(place, record);
      partition.endOffset = record.offset + 1;
      this.lastTimestampMs = record.timestampMs;
    }
  }

  async read(range: ReadRange): Promise<RecordChunk> {
    const records: LogRecord[] = [];
    let bytes = 0;
    for (const record of partitionOf(this.topics.get(range.topic), range.partition).records.values()) {
      if (record.offset < range.fromOffset) continue;
      if (record.offset >= range.untilOffset) break;
      bytes += recordBytes(record);
      if (records.length === range.recordsMax || (records.length > 0 && bytes > range.bytesMax))
        return { records, nextOffset: record.offset };
      records.push(record);
    }
    return { records, nextOffset: range.untilOffset };
  }

  async saveGroup(group: string, topics: readonly string[], seenAtMs: number): Promise<void> {
    for (const topic of topics) {
      const known = this.groups.get(`${group} ${topic}`);
      if (known === undefined) this.groups.set(`${group} ${topic}`, { group, topic, seenAtMs, commits: new Map() });
      else known.seenAtMs = seenAtMs;
    }
  }

  async saveCommits(group: string, commits: readonly OffsetCommit[]): Promise<void> {
    for (const commit of commits) this.groups.get(`${group} ${commit.topic}`)?.commits.set(commit.partition, commit);
  }

  async trim(limit: TrimLimit): Promise<readonly number[]> {
    const topic = this.topics.get(limit.topic);
    const before = Date.now() - limit.olderThanMs;
    return limit.belowOffsets.map((belowOffset, index) => {
      const partition = partitionOf(topic, index);
      for (const [place, record] of partition.records) {
        if (record.offset >= belowOffset || record.timestampMs >= before) break;
        if (topic?.spec.cleanup === 'compact' && record.value !== null) continue;
        partition.records.delete(place);
        if (topic?.spec.cleanup === 'delete') partition.startOffset = record.offset + 1;
      }
      return partition.startOffset;
    });
  }

  async close(): Promise<void> {
    this.owned = false;
  }
}
