import { BackOff } from './waiting.js';
import type { PublishError } from '../errors.js';

export interface PendingRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** As on the wire. */
  readonly headers: Buffer;
  /** Key, value and headers. */
  readonly bytes: number;
  readonly giveUpAtMs: number;
  /** Null: the record is durable. Called once. */
  readonly settle: (error: PublishError | null) => void;
}

/** Framing of one record on the wire. */
const RECORD_FRAMING_BYTES = 32;

/** What waits for one partition, in the order of the calls; a batch that was not appended goes back to its head. */
export class PartitionQueue {
  #records: PendingRecord[] = [];
  #recordsMax = Infinity;
  #notBeforeMs = 0;
  readonly #backOff = new BackOff();

  constructor(
    readonly topic: string,
    readonly partition: number,
    private readonly batchBytesMax: number,
  ) {}

  get length(): number {
    return this.#records.length;
  }

  get notBeforeMs(): number {
    return this.#notBeforeMs;
  }

  push(record: PendingRecord): void {
    this.#records.push(record);
  }

  /** As many from the head as fit, and one in any case when `bytesLeft` is all a request has. */
  take(bytesLeft: number, alone: boolean): readonly PendingRecord[] {
    const bytesMax = Math.min(bytesLeft, this.batchBytesMax);
    let count = 0;
    let bytes = 0;
    for (const record of this.#records) {
      bytes += record.bytes + RECORD_FRAMING_BYTES;
      if (count >= this.#recordsMax || (bytes > bytesMax && !(alone && count === 0))) break;
      count++;
    }
    return this.#records.splice(0, count);
  }

  appended(): void {
    this.#backOff.reset();
    this.#notBeforeMs = 0;
    // After a split the size grows back, for the broker may have minded one record only.
    this.#recordsMax *= 2;
  }

  /** The next batch has half the records, until the one that offends is alone. */
  split(records: readonly PendingRecord[]): void {
    this.#recordsMax = Math.ceil(records.length / 2);
    this.#records.unshift(...records);
  }

  retryLater(records: readonly PendingRecord[], nowMs: number): void {
    this.#notBeforeMs = nowMs + this.#backOff.nextMs();
    this.#records.unshift(...records);
  }
}
