import type { TopicPartition } from '../log.js';
import { BufferBudget } from './buffer-budget.js';
import type { OwnedPartition } from './owned-partition.js';

export interface FetchControl {
  pause(partitions: readonly TopicPartition[]): void;
  resume(partitions: readonly TopicPartition[]): void;
}

/**
 * Bounds what is delivered and not completed, in records and in bytes, by holding the partitions that have the most; and what is done
 * above the watermark, by holding the partition whose commit can hardly tell it any more.
 */
export class FetchBuffer {
  readonly #records: BufferBudget;
  readonly #bytes: BufferBudget;
  readonly #held = new Set<OwnedPartition>();

  constructor(
    recordsMax: number,
    bytesMax: number,
    private readonly fetch: FetchControl,
  ) {
    this.#records = new BufferBudget(recordsMax);
    this.#bytes = new BufferBudget(bytesMax);
  }

  get held(): ReadonlySet<OwnedPartition> {
    return this.#held;
  }

  setPartitions(partitions: readonly OwnedPartition[]): void {
    this.#records.setPartitions(partitions.map(({ tracker }) => tracker.records));
    this.#bytes.setPartitions(partitions.map(({ tracker }) => tracker.bytes));
    for (const held of this.#held) if (held.lost) this.#held.delete(held);
  }

  /** The tracker of this partition took in a task of so many bytes. */
  grew({ tracker }: OwnedPartition, bytes: number): void {
    this.#records.move(tracker.records - 1, tracker.records);
    this.#bytes.move(tracker.bytes - bytes, tracker.bytes);
  }

  /** The tracker of this partition completed a task of so many bytes. */
  shrank(partition: OwnedPartition, bytes: number): void {
    const { tracker } = partition;
    this.#records.move(tracker.records + 1, tracker.records);
    this.#bytes.move(tracker.bytes + bytes, tracker.bytes);
    if (this.#held.size > 0 && this.#held.has(partition)) this.#releaseIfRoomy(partition);
  }

  holdIfExhausted(partition: OwnedPartition): void {
    const { records, bytes } = partition.tracker;
    const isExhausted = this.#records.exhausted(records) || this.#bytes.exhausted(bytes) || partition.isCrowded;
    if (this.#held.has(partition) || !isExhausted) return;
    this.#held.add(partition);
    this.fetch.pause([partition]);
  }

  /** Room may also come from what other partitions completed. */
  releaseRoomy(): void {
    for (const partition of this.#held) this.#releaseIfRoomy(partition);
  }

  #releaseIfRoomy(partition: OwnedPartition): void {
    const { records, bytes } = partition.tracker;
    if (!this.#records.roomy(records) || !this.#bytes.roomy(bytes) || partition.isCrowded) return;
    this.#held.delete(partition);
    this.fetch.resume([partition]);
  }
}
