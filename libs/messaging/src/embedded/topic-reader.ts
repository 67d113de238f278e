import type { LogReader, ReaderOptions } from '../log.js';
import { MessagingError } from '../errors.js';
import type { LogView } from './log-view.js';
import { PartitionFeed } from './partition-feed.js';

interface Waiter {
  readonly endOffsets: readonly number[];
  readonly resolve: () => void;
}

/** Follows all partitions of a topic. Its readers decide nothing for the log: records are not kept for them. */
export class TopicReader implements LogReader {
  readonly positioned: Promise<void> = Promise.resolve();
  private readonly feeds: readonly PartitionFeed[];
  private readonly waiters = new Set<Waiter>();

  constructor(
    view: LogView,
    options: ReaderOptions,
    private readonly onClose: (reader: TopicReader) => void,
  ) {
    this.feeds = view.partitions(options.topic).map((log) => {
      const deliver = (records: Parameters<ReaderOptions['onRecords']>[1]): void => {
        if (records.length > 0) options.onRecords(log.partition, records);
        this.wakeWaiters();
      };
      // Nobody is told of a reader's own error, so it must not pass unseen.
      const failed = (error: unknown): void =>
        queueMicrotask(() => {
          throw error;
        });
      return new PartitionFeed(view, log, options.from === 'beginning' ? 0 : log.endOffset, { deliver, failed });
    });
    setImmediate(() => this.feeds.forEach((feed) => feed.pump()));
  }

  positions(): readonly number[] {
    return this.feeds.map((feed) => feed.position);
  }

  reached(endOffsets: readonly number[], timeoutMs: number): Promise<void> {
    if (this.isAt(endOffsets)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        endOffsets,
        resolve: () => {
          clearTimeout(timer);
          this.waiters.delete(waiter);
          resolve();
        },
      };
      const timer = setTimeout(() => {
        this.waiters.delete(waiter);
        reject(new MessagingError('not_reached', `positions ${this.positions().join()} have not reached ${endOffsets.join()}`, true));
      }, timeoutMs);
      this.waiters.add(waiter);
    });
  }

  async close(): Promise<void> {
    for (const feed of this.feeds) feed.stop();
    this.onClose(this);
  }

  private isAt(endOffsets: readonly number[]): boolean {
    return this.feeds.every((feed, partition) => feed.position >= (endOffsets[partition] ?? 0));
  }

  private wakeWaiters(): void {
    for (const waiter of this.waiters) if (this.isAt(waiter.endOffsets)) waiter.resolve();
  }
}
