import type { LogRecord } from '../log.js';
import type { LogView } from './log-view.js';
import type { PartitionLog } from './partition-log.js';

/** Before a failed read of the storage is tried again. */
const READ_RETRY_MS = 250;

export interface FeedTarget {
  /** Takes the records at once; none when only the position moved (what lay there is gone). A throw stops the feed. */
  deliver(records: readonly LogRecord[]): void;
  failed(error: unknown): void;
}

/**
 * Follows one partition from an offset on and delivers in order, one chunk a turn of the event loop.
 * `stopped` is for ever, `held` until released (by a pause, or because it is going: each its own reason).
 */
export class PartitionFeed {
  private readonly holds = new Set<string>();
  private stopped = false;
  private busy = false;
  private readonly wake = (): void => this.pump();

  constructor(
    private readonly view: LogView,
    private readonly log: PartitionLog,
    public position: number,
    private readonly target: FeedTarget,
  ) {
    this.position = Math.max(position, log.startOffset);
    log.follow(this.wake);
  }

  hold(reason: string): void {
    this.holds.add(reason);
  }

  release(reason: string): void {
    if (this.holds.delete(reason)) this.pump();
  }

  stop(): void {
    this.stopped = true;
    this.log.unfollow(this.wake);
  }

  pump(): void {
    if (this.busy || !this.flowing()) return;
    const atHand = this.view.chunkAtHand(this.log, this.position);
    if (atHand === null) {
      this.busy = true;
      void this.readAndDeliver();
      return;
    }
    this.deliver(atHand.records, atHand.nextOffset);
    if (this.flowing()) this.pumpSoon();
  }

  private flowing(): boolean {
    return !this.stopped && this.holds.size === 0 && this.position < this.log.endOffset && this.view.readable;
  }

  private pumpSoon(): void {
    this.busy = true;
    setImmediate(() => {
      this.busy = false;
      this.pump();
    });
  }

  private async readAndDeliver(): Promise<void> {
    try {
      const chunk = await this.view.readChunk(this.log, this.position, this.log.endOffset);
      this.busy = false;
      // What was read for nobody is read again when the feed goes on.
      if (!this.stopped && this.holds.size === 0) this.deliver(chunk.records, chunk.nextOffset);
      this.pump();
    } catch {
      setTimeout(() => {
        this.busy = false;
        this.pump();
      }, READ_RETRY_MS).unref();
    }
  }

  private deliver(records: readonly LogRecord[], nextOffset: number): void {
    this.position = nextOffset;
    try {
      this.target.deliver(records);
    } catch (error) {
      this.stop();
      this.target.failed(error);
    }
  }
}
