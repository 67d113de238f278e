import { setTimeout as delay } from 'node:timers/promises';
import type { LogRecord } from '../log.js';
import { PublishError } from '../errors.js';
import type { AppendBounds, PendingRecord, Priority } from './append-queue.js';
import { AppendQueue } from './append-queue.js';
import type { LogStorage } from './log-storage.js';
import { AppendRefused } from './log-storage.js';
import type { LogView } from './log-view.js';

/** Between two tries of an insert that the storage refused: it is busy with trouble of its own. */
const RETRY_DELAY_MS = 250;
/** How often waiting records are looked at for having waited too long. */
const EXPIRY_CHECK_MS = 500;

/**
 * The one writer. One insert is in flight and carries all that came meanwhile; it gives the offsets, and only what is
 * durable gets into the view. A refused batch is cut in halves until the record at fault stands alone.
 */
export class Appender {
  private readonly queue: AppendQueue;
  private inFlight: readonly PendingRecord[] = [];
  private unsettled = 0;
  private readonly whenSettled: (() => void)[] = [];
  private run: Promise<void> | null = null;
  private recordsMax: number;
  private fencedBecause: string | null = null;
  private readonly expiry: NodeJS.Timeout;
  private lastTimestampMs: number | null = null;
  /** Why the last insert was refused, null when it went through. */
  trouble: string | null = null;

  constructor(
    private readonly storage: LogStorage,
    private readonly view: LogView,
    private readonly bounds: AppendBounds & { readonly publishTimeoutMs: number },
  ) {
    this.queue = new AppendQueue(bounds);
    this.recordsMax = bounds.batchRecordsMax;
    this.expiry = setInterval(() => this.expire(Date.now()), EXPIRY_CHECK_MS).unref();
  }

  get waiting(): number {
    return this.unsettled;
  }

  open(lastTimestampMs: number): void {
    this.lastTimestampMs = lastTimestampMs;
  }

  get opened(): boolean {
    return this.lastTimestampMs !== null;
  }

  append(priority: Priority, record: PendingRecord['record']): Promise<void> {
    if (this.fencedBecause !== null) return Promise.reject(new PublishError('fenced', this.fencedBecause, true));
    return new Promise((resolve, reject) => {
      this.unsettled++;
      let settled = false;
      const settle = (): void => {
        if (settled) return;
        settled = true;
        this.unsettled--;
        if (this.unsettled === 0) for (const wake of this.whenSettled) wake();
      };
      this.queue.push({
        priority,
        record,
        giveUpAtMs: Date.now() + this.bounds.publishTimeoutMs,
        isSettled: () => settled,
        resolve: () => (settle(), resolve()),
        reject: (error) => (settle(), reject(error)),
      });
      this.run ??= this.drain();
    });
  }

  /** Another process writes now: nothing of this one will be appended any more. */
  fence(reason: string): void {
    this.fencedBecause = reason;
    this.expire(Infinity);
  }

  /** Waits until every record given to it is appended or given up. */
  async close(): Promise<void> {
    if (this.unsettled > 0) await new Promise<void>((resolve) => this.whenSettled.push(resolve));
    clearInterval(this.expiry);
  }

  private async drain(): Promise<void> {
    // Publishes of the same tick share the first insert.
    await Promise.resolve();
    try {
      for (let batch = this.queue.take(this.recordsMax); batch.length > 0; batch = this.queue.take(this.recordsMax)) {
        this.inFlight = batch;
        const records = this.place(batch);
        const error = await this.storage.append(records).then(
          () => null,
          (refusal: unknown) => ({ refusal }),
        );
        this.inFlight = [];
        if (error === null) {
          this.recordsMax = this.bounds.batchRecordsMax;
          this.trouble = null;
          this.view.appended(records);
          for (const pending of batch) pending.resolve();
        } else {
          await this.refused(batch, error.refusal);
        }
      }
    } finally {
      // In the same tick that found the queue empty: a record that comes after it begins the next run.
      this.run = null;
    }
  }

  private place(batch: readonly PendingRecord[]): LogRecord[] {
    // The clock may be set back, the log may not: reading back by time relies on it.
    const timestampMs = Math.max(this.lastTimestampMs ?? 0, Date.now());
    this.lastTimestampMs = timestampMs;
    const ends = new Map<object, number>();
    return batch.map(({ record }) => {
      const partition = this.view.partition(record.topic, record.partition);
      const offset = ends.get(partition) ?? partition.endOffset;
      ends.set(partition, offset + 1);
      return { ...record, offset, timestampMs };
    });
  }

  private async refused(batch: readonly PendingRecord[], error: unknown): Promise<void> {
    this.trouble = error instanceof Error ? error.message : String(error);
    const atFault = error instanceof AppendRefused && error.recordsAtFault;
    const [only, ...others] = batch;
    if (atFault && others.length === 0) {
      only?.reject(new PublishError('refused', this.trouble, false, { cause: error }));
      return;
    }
    if (this.fencedBecause !== null) {
      for (const pending of batch) pending.reject(new PublishError('fenced', this.fencedBecause, true));
      return;
    }
    this.queue.putBack(batch.filter((pending) => !pending.isSettled()));
    if (atFault) this.recordsMax = Math.floor(batch.length / 2);
    else await delay(RETRY_DELAY_MS);
  }

  private expire(nowMs: number): void {
    const waiting = [...this.queue.expired(nowMs), ...this.inFlight.filter((pending) => pending.giveUpAtMs <= nowMs)];
    for (const pending of waiting) {
      const reason = this.fencedBecause ?? this.trouble ?? 'the log could not be written in time';
      pending.reject(new PublishError(this.fencedBecause === null ? 'not_appended' : 'fenced', reason, true));
    }
  }
}
