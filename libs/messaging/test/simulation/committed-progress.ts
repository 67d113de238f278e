/** What the group has committed, as whoever owns a partition next may read it: what is done, and what a dead owner had announced as running. */
import { decodeOffsetMetadata } from '../../src/consumer/offset-metadata.js';
import type { LogRecord, TopicPartition } from '../../src/log.js';
import { nameOf, recordName, type SimulatedPartition, type SimulatedTopics } from './simulated-topics.js';

/** What a record must have survived before it has to run alone. */
const DEATHS_BEFORE_ALONE = 2;
/** So many that a process died of once may run at a time, in a partition. */
const SUSPECTS_AT_ONCE = 8;

export interface Progress {
  readonly offset: number;
  readonly completed: readonly number[];
  /** Announced as running by an owner that has not handed over. */
  readonly suspects: readonly number[];
}

export const progressOf = (partition: TopicPartition, offset: number, metadata: string): Progress => {
  const { isOpen, completed, suspects } = decodeOffsetMetadata(partition, offset, metadata);
  return { offset, completed, suspects: isOpen ? suspects.filter(({ announced }) => announced).map((suspect) => suspect.offset) : [] };
};

export const covers = ({ offset, completed }: Progress, at: number): boolean => {
  if (at < offset) return true;
  for (let i = 0; i < completed.length; i += 2) if (at >= completed[i]! && at < completed[i + 1]!) return true;
  return false;
};

export class CommittedProgress {
  readonly #committed = new Map<string, Progress>();
  readonly #deaths = new Map<string, number>();

  constructor(private readonly topics: SimulatedTopics) {}

  taken(partition: TopicPartition, progress: Progress): void {
    this.#committed.set(nameOf(partition), progress);
  }

  covers(partition: TopicPartition, offset: number): boolean {
    const committed = this.#committed.get(nameOf(partition));
    return committed !== undefined && covers(committed, offset);
  }

  /** Of these offsets the broker tells that they are done, maybe garbled, and they are not. */
  wronglyCompleted(partition: TopicPartition, { completed }: Progress): number[] {
    const wrong: number[] = [];
    for (let at = 0; at < completed.length; at += 2)
      for (let offset = completed[at]!; offset < completed[at + 1]!; offset++) if (!this.covers(partition, offset)) wrong.push(offset);
    return wrong;
  }

  /** The new owner sees a death of those that the one before it had announced. */
  ownedAnew(partition: TopicPartition): void {
    for (const offset of this.#committed.get(nameOf(partition))?.suspects ?? []) {
      const name = `${nameOf(partition)}@${offset}`;
      this.#deaths.set(name, (this.#deaths.get(name) ?? 0) + 1);
    }
  }

  deathsOf(record: LogRecord): number {
    return this.#deaths.get(recordName(record)) ?? 0;
  }

  /**
   * Suspects may keep others waiting for slow calls: one that is to run alone for all of them, slow ones that a process died of once in the
   * few places that such ones have in their partition (docs/adr/0007-slots-and-suspects.md).
   */
  suspectsWait(isSlow: (record: LogRecord) => boolean): boolean {
    const doSuspectsWaitIn = (partition: SimulatedPartition): boolean => {
      const left = partition.records.filter((record) => this.deathsOf(record) > 0 && !this.covers(partition, record.offset));
      return left.some((record) => this.deathsOf(record) >= DEATHS_BEFORE_ALONE) || left.filter(isSlow).length >= SUSPECTS_AT_ONCE;
    };
    return this.#deaths.size > 0 && [...this.topics.partitions.values()].some(doSuspectsWaitIn);
  }

  /** Partitions that are not committed to their end. */
  behind(): string[] {
    const behind: string[] = [];
    for (const partition of this.topics.partitions.values()) {
      const last = partition.records.at(-1);
      if (last === undefined || last.offset < partition.startOffset) continue;
      const offset = this.#committed.get(nameOf(partition))?.offset ?? 0;
      if (offset <= last.offset) behind.push(`${nameOf(partition)} is committed to @${offset} of @${last.offset + 1}`);
    }
    return behind;
  }
}
