import type { LogRecord, TopicSpec } from '../log.js';
import { Fifo } from './fifo.js';
import { recordBytes } from './log-storage.js';

/** One partition as its owner knows it: where it starts and ends, its last records, and who waits for the next one. */
export class PartitionLog {
  private readonly recent = new Fifo<LogRecord>();
  private readonly followers = new Set<() => void>();

  constructor(
    readonly topic: TopicSpec,
    readonly partition: number,
    public startOffset: number,
    public endOffset: number,
  ) {}

  /** Records from this offset on when memory holds them, null when only the storage does. */
  recentFrom(offset: number, recordsMax: number): readonly LogRecord[] | null {
    const firstOffset = this.endOffset - this.recent.length;
    return offset < firstOffset ? null : this.recent.slice(offset - firstOffset, offset - firstOffset + recordsMax);
  }

  append(record: LogRecord): void {
    this.recent.push(record);
    this.endOffset = record.offset + 1;
  }

  forgetOldest(): LogRecord | undefined {
    return this.recent.shift();
  }

  follow(wake: () => void): void {
    this.followers.add(wake);
  }

  unfollow(wake: () => void): void {
    this.followers.delete(wake);
  }

  wakeFollowers(): void {
    for (const wake of this.followers) wake();
  }
}

/** The last records of all partitions together, so that memory is bounded whatever the number of partitions. */
export class RecentRecords {
  private readonly order = new Fifo<PartitionLog>();
  private bytes = 0;

  constructor(private readonly bytesMax: number) {}

  add(partition: PartitionLog, record: LogRecord): void {
    partition.append(record);
    this.order.push(partition);
    this.bytes += recordBytes(record);
    while (this.bytes > this.bytesMax) {
      const forgotten = this.order.shift()?.forgetOldest();
      if (forgotten === undefined) return;
      this.bytes -= recordBytes(forgotten);
    }
  }
}
