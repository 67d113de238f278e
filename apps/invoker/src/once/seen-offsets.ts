import { RotatingMap } from './rotating-map.js';

/**
 * Where each (invocation id, seq) was seen first in a partition. A second record of it is a repetition; the first one itself,
 * delivered again after a crash, is not.
 */
export class SeenOffsets {
  private readonly partitions = new Map<number, RotatingMap<number>>();

  constructor(
    private readonly recordsMax: number,
    private readonly ageMs: number,
  ) {}

  /** Remembers a record. True when the same was seen at a lower offset. */
  isRepeated(partition: number, key: string, offset: number): boolean {
    let seen = this.partitions.get(partition);
    if (seen === undefined) {
      seen = new RotatingMap(this.recordsMax, this.ageMs);
      this.partitions.set(partition, seen);
    }
    const first = seen.get(key);
    if (first !== undefined && first < offset) return true;
    if (first !== offset) seen.set(key, offset);
    return false;
  }

  forget(partition: number): void {
    this.partitions.delete(partition);
  }
}
