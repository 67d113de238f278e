import type { LogRecord } from '../log.js';
import { PublishError } from '../errors.js';
import { Fifo } from './fifo.js';
import { recordBytes } from './log-storage.js';

export type Priority = 'step' | 'trigger';

/** A record without its offset, and who waits for it. */
export interface PendingRecord {
  readonly priority: Priority;
  readonly record: Omit<LogRecord, 'offset' | 'timestampMs'>;
  readonly giveUpAtMs: number;
  readonly isSettled: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: PublishError) => void;
}

export interface AppendBounds {
  /** One insert carries no more than this, so that a step waits for one such insert at most. */
  readonly batchRecordsMax: number;
  readonly batchBytesMax: number;
  /** Waiting records of one lane: beyond it a publisher is told to come back. */
  readonly queuedRecordsMax: number;
  readonly queuedBytesMax: number;
}

/** While steps fill every batch, triggers still get this part of it. */
const TRIGGER_SHARE = 1 / 8;

const pendingBytes = ({ record }: PendingRecord): number => recordBytes(record);

class Lane {
  readonly waiting = new Fifo<PendingRecord>();
  bytes = 0;

  push(pending: PendingRecord): void {
    this.waiting.push(pending);
    this.bytes += pendingBytes(pending);
  }

  shift(): PendingRecord | undefined {
    const pending = this.waiting.shift();
    if (pending !== undefined) this.bytes -= pendingBytes(pending);
    return pending;
  }

  putBack(batch: readonly PendingRecord[]): void {
    this.waiting.unshiftAll(batch);
    for (const pending of batch) this.bytes += pendingBytes(pending);
  }
}

/** What waits for the next insert, a lane each for steps and triggers: neither is refused because of the other. */
export class AppendQueue {
  private readonly lanes: Record<Priority, Lane> = { step: new Lane(), trigger: new Lane() };

  constructor(private readonly bounds: AppendBounds) {}

  get length(): number {
    return this.lanes.step.waiting.length + this.lanes.trigger.waiting.length;
  }

  push(pending: PendingRecord): void {
    const lane = this.lanes[pending.priority];
    if (lane.waiting.length >= this.bounds.queuedRecordsMax || lane.bytes >= this.bounds.queuedBytesMax) {
      pending.reject(new PublishError('queue_full', `${lane.waiting.length} records wait to be appended`, true));
      return;
    }
    lane.push(pending);
  }

  /** Takes the next batch: steps first, a part of it kept for triggers. */
  take(recordsMax: number = this.bounds.batchRecordsMax): PendingRecord[] {
    const batch: PendingRecord[] = [];
    let bytes = 0;
    const fill = (priority: Priority, records: number, bytesMax: number): void => {
      const lane = this.lanes[priority];
      for (let next = lane.waiting.peek(); next !== undefined && batch.length < records; next = lane.waiting.peek()) {
        if (batch.length > 0 && bytes + pendingBytes(next) > bytesMax) return;
        bytes += pendingBytes(next);
        lane.shift();
        batch.push(next);
      }
    };
    const kept = this.lanes.trigger.waiting.length > 0 ? TRIGGER_SHARE : 0;
    fill('step', Math.max(1, Math.floor(recordsMax * (1 - kept))), this.bounds.batchBytesMax * (1 - kept));
    fill('trigger', recordsMax, this.bounds.batchBytesMax);
    return batch;
  }

  /** Gives back a batch that was not stored: it stays first in its lane. */
  putBack(batch: readonly PendingRecord[]): void {
    for (const priority of ['step', 'trigger'] as const) {
      this.lanes[priority].putBack(batch.filter((pending) => pending.priority === priority));
    }
  }

  /** Takes out what waited too long (all of it when `nowMs` is Infinity). */
  expired(nowMs: number): PendingRecord[] {
    const expired: PendingRecord[] = [];
    for (const lane of Object.values(this.lanes)) {
      for (let next = lane.waiting.peek(); next !== undefined && next.giveUpAtMs <= nowMs; next = lane.waiting.peek()) {
        lane.shift();
        expired.push(next);
      }
    }
    return expired;
  }
}
