import type { LogRecord, OffsetCommit, TopicSpec } from '../log.js';

export interface StoredTopic {
  readonly spec: TopicSpec;
  /** Per partition: what lies below was dropped. */
  readonly startOffsets: readonly number[];
  /** Per partition: the offset of the next record. Never goes back, also when everything below was dropped. */
  readonly endOffsets: readonly number[];
}

/** A durable group on one topic. */
export interface StoredGroup {
  readonly group: string;
  readonly topic: string;
  readonly seenAtMs: number;
  readonly commits: readonly OffsetCommit[];
}

export interface StoredLog {
  readonly topics: readonly StoredTopic[];
  readonly groups: readonly StoredGroup[];
  /** Of the youngest record, 0 without one. */
  readonly lastTimestampMs: number;
}

export interface ReadRange {
  readonly topic: string;
  readonly partition: number;
  readonly fromOffset: number;
  readonly untilOffset: number;
  readonly recordsMax: number;
  /** Stops before this is passed, but gives one record at least. */
  readonly bytesMax: number;
}

export interface RecordChunk {
  readonly records: readonly LogRecord[];
  /** Where to go on: below it lies nothing more of the range. */
  readonly nextOffset: number;
}

/** What may be dropped of a topic: records below these offsets (one a partition) that are also older than the age. */
export interface TrimLimit {
  readonly topic: string;
  readonly belowOffsets: readonly number[];
  readonly olderThanMs: number;
}

/**
 * `owned`: this process is the only writer. `lost`: it may not write now and tries to become the writer again.
 * `fenced`: another process became the writer, or the stored log is not the one that was written; final.
 */
export type Ownership = 'owned' | 'lost' | 'fenced';

export interface StorageOpening {
  readonly onOwnership: (ownership: Ownership, reason: string) => void;
}

/** An append that was refused as a whole: nothing of it is stored. `recordsAtFault` tells a record that can never be stored from a bad moment. */
export class AppendRefused extends Error {
  constructor(
    message: string,
    readonly recordsAtFault: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'AppendRefused';
  }
}

/**
 * Where an embedded log keeps its records. One process writes at a time; offsets are given by it.
 */
export interface LogStorage {
  /** Becomes the only writer and loads what is known; rejects when another process is the writer. */
  open(opening: StorageOpening): Promise<StoredLog>;
  createTopic(spec: TopicSpec): Promise<void>;
  /**
   * Appends all or nothing and resolves when it is durable. Called one at a time, offsets follow the end of each partition.
   * When ownership is lost meanwhile it waits for it, finds out whether the records are there and stores them if not.
   * Rejects with `AppendRefused` only, and only when nothing was stored or the process is fenced.
   */
  append(records: readonly LogRecord[]): Promise<void>;
  read(range: ReadRange): Promise<RecordChunk>;
  saveGroup(group: string, topics: readonly string[], seenAtMs: number): Promise<void>;
  saveCommits(group: string, commits: readonly OffsetCommit[]): Promise<void>;
  /** Drops what can be dropped cheaply and gives the start offsets after that. */
  trim(limit: TrimLimit): Promise<readonly number[]>;
  close(): Promise<void>;
}

/** Memory that a record takes: its bytes and the objects around them. */
export const recordBytes = (record: Pick<LogRecord, 'key' | 'value' | 'headers'>): number => {
  let bytes = 200 + (record.key?.length ?? 0) + (record.value?.length ?? 0);
  for (const name in record.headers) bytes += name.length + (record.headers[name]?.length ?? 0);
  return bytes;
};
