import { appendRange, type OffsetRanges } from './offset-ranges.js';

/** What the tracker needs of a task: its offset and the links of the partition's list. */
export interface Tracked<T extends Tracked<T>> {
  readonly record: { readonly offset: number };
  readonly bytes: number;
  lower: T | null;
  higher: T | null;
  completed: boolean;
}

/**
 * Which offsets of one owned partition are done. A partition is delivered in offset order, so it is enough to keep the incomplete
 * records in a list: everything below the next expected offset that is not in it is done, or never existed (compaction, control
 * records). The list's head is the watermark, the offset to commit; a record below the next expected offset was delivered before.
 * Offsets that an earlier owner had completed above its watermark come out of the commit metadata and are skipped once.
 */
export class PartitionTracker<T extends Tracked<T>> {
  lowest: T | null = null;
  records = 0;
  bytes = 0;
  duplicates = 0;
  #highest: T | null = null;
  #highestCompleted = -1;
  #seenAny = false;
  #restored: OffsetRanges;
  #restoredIndex = 0;

  /** The offset after the last one seen; -1 while nothing is known. */
  #next: number;

  constructor(committedOffset: number | null, restored: OffsetRanges = []) {
    this.#next = committedOffset ?? -1;
    this.#restored = restored;
  }

  get next(): number {
    return this.#next;
  }

  /** False for a record that is here already, or done. */
  admits(offset: number): boolean {
    if (!this.#seenAny) {
      this.#seenAny = true;
      if (offset < this.#next) this.#startOver();
    }
    if (offset < this.#next) {
      this.duplicates++;
      return false;
    }
    this.#next = offset + 1;
    if (!this.#wasRestored(offset)) return true;
    this.duplicates++;
    this.#highestCompleted = offset;
    return false;
  }

  /** Takes in a task whose offset was just admitted. */
  add(task: T): void {
    task.lower = this.#highest;
    if (this.#highest === null) this.lowest = task;
    else this.#highest.higher = task;
    this.#highest = task;
    this.records++;
    this.bytes += task.bytes;
  }

  /** False when it was completed before. */
  complete(task: T): boolean {
    if (task.completed) return false;
    task.completed = true;
    if (task.lower === null) this.lowest = task.higher;
    else task.lower.higher = task.higher;
    if (task.higher === null) this.#highest = task.lower;
    else task.higher.lower = task.lower;
    task.lower = null;
    task.higher = null;
    this.records--;
    this.bytes -= task.bytes;
    if (task.record.offset > this.#highestCompleted) this.#highestCompleted = task.record.offset;
    return true;
  }

  /** The offset to commit: the lowest incomplete one; -1 while nothing is known. */
  watermark(): number {
    return this.lowest?.record.offset ?? this.#next;
  }

  /** What is not done although later ones are, ascending. */
  *holes(): Generator<T> {
    for (let task = this.lowest; task !== null && task.record.offset < this.#highestCompleted; task = task.higher) yield task;
  }

  /** What is done above the watermark. */
  completedAbove(): OffsetRanges {
    const ranges: number[] = [];
    if (this.lowest !== null) {
      let from = this.lowest.record.offset + 1;
      for (let task: T | null = this.lowest.higher; task !== null && task.record.offset < this.#highestCompleted; task = task.higher) {
        appendRange(ranges, from, task.record.offset);
        from = task.record.offset + 1;
      }
      appendRange(ranges, from, this.#highestCompleted + 1);
    }
    for (let i = this.#restoredIndex; i < this.#restored.length; i += 2) {
      appendRange(ranges, Math.max(this.#restored[i] ?? 0, this.#next), this.#restored[i + 1] ?? 0);
    }
    return ranges;
  }

  /** The log begins below what was committed: the topic is another one, and nothing that is known about the old one holds. */
  #startOver(): void {
    this.#next = -1;
    this.#restored = [];
  }

  #wasRestored(offset: number): boolean {
    while (this.#restoredIndex < this.#restored.length && (this.#restored[this.#restoredIndex + 1] ?? 0) <= offset)
      this.#restoredIndex += 2;
    return (this.#restored[this.#restoredIndex] ?? Infinity) <= offset;
  }
}
