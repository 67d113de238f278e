/**
 * Reads record batches (magic 2, laid out as produce-request.ts says) straight into records of the log. Keys and values are copied: a
 * slice would hold a whole fetch of megabytes in memory for as long as one record runs.
 */
import type { LogRecord, TopicPartition } from '../log.js';
import { codecOf } from './kafkajs-internals.js';

export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
}

const IS_APPEND_TIME = 0x08;
const IS_TRANSACTIONAL = 0x10;
const IS_CONTROL = 0x20;
/** Offset and length, which come before what the length counts. */
const PREFIX_BYTES = 12;
const BATCH_HEADER_BYTES = 61;
/** The type in the key of a control record. */
const ABORT = 0;
/** Header places whose last text is remembered. */
const REMEMBERED_MAX = 16;

const isText = (bytes: Buffer, from: number, to: number, text: string): boolean => {
  if (text.length !== to - from) return false;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code !== bytes[from + index] || code > 0x7f) return false;
  }
  return true;
};

/** What stood last at each place among the headers: names always come again and many values do, so most need no new string. */
const lastTexts: string[] = [];

class RecordReader {
  constructor(
    private readonly bytes: Buffer,
    public at: number,
  ) {}

  /** Exact up to 2^53, which no length, offset or time exceeds. */
  varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) throw new RangeError('a record ends within a number');
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) break;
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  copy(): Buffer | null {
    const length = this.varint();
    if (length < 0) return null;
    const end = this.endAfter(length);
    const copied = Buffer.allocUnsafe(length);
    this.bytes.copy(copied, 0, this.at, end);
    this.at = end;
    return copied;
  }

  headers(): Record<string, string> {
    const headers: Record<string, string> = {};
    const count = this.varint();
    for (let place = 0; place < count; place++) {
      const name = this.text(2 * place);
      headers[name] = this.text(2 * place + 1);
    }
    return headers;
  }

  private text(place: number): string {
    const end = this.endAfter(Math.max(0, this.varint()));
    const start = this.at;
    this.at = end;
    const last = lastTexts[place];
    if (last !== undefined && isText(this.bytes, start, end, last)) return last;
    const text = this.bytes.toString('utf8', start, end);
    if (place < REMEMBERED_MAX) lastTexts[place] = text;
    return text;
  }

  private endAfter(length: number): number {
    const end = this.at + length;
    if (end > this.bytes.length) throw new RangeError('a record is longer than its batch');
    return end;
  }
}

interface BatchTimes {
  readonly firstOffset: number;
  readonly firstTimestampMs: number;
  /** Set where the broker's time counts for all records. */
  readonly appendedAtMs: number | null;
}

const readRecord = (reader: RecordReader, { topic, partition }: TopicPartition, batch: BatchTimes): LogRecord => {
  const end = reader.varint() + reader.at;
  reader.at++; // attributes
  const timestampMs = batch.firstTimestampMs + reader.varint();
  const offset = batch.firstOffset + reader.varint();
  const key = reader.copy();
  const value = reader.copy();
  const headers = reader.headers();
  reader.at = end;
  return { topic, partition, offset, key, value, headers, timestampMs: batch.appendedAtMs ?? timestampMs };
};

const isAbortMarker = (bytes: Buffer): boolean => {
  const reader = new RecordReader(bytes, BATCH_HEADER_BYTES);
  reader.varint(); // length
  reader.at++; // attributes
  reader.varint(); // time
  reader.varint(); // offset
  return reader.copy()?.readInt16BE(2) === ABORT;
};

/** `nextOffset` is the one after the last whole batch, also when nothing of it is to be seen; null when none came. */
export interface ReadBatches {
  readonly records: LogRecord[];
  readonly nextOffset: number | null;
}

/** Leaves out what belongs to aborted transactions, which are given in the order of their first offsets. */
export const readBatches = async (
  bytes: Buffer,
  place: TopicPartition,
  abortedTransactions: readonly AbortedTransaction[],
): Promise<ReadBatches> => {
  const records: LogRecord[] = [];
  const aborting = new Set<bigint>();
  let nextOffset: number | null = null;
  let aborted = 0;
  for (let at = 0, end: number; at + BATCH_HEADER_BYTES <= bytes.length; at = end) {
    end = at + PREFIX_BYTES + bytes.readInt32BE(at + 8);
    // The last batch of an answer may be cut off.
    if (end > bytes.length) break;
    if (end < at + BATCH_HEADER_BYTES) throw new RangeError('a batch is shorter than its header');
    const batch = bytes.subarray(at, end);
    const firstOffset = Number(batch.readBigInt64BE(0));
    const attributes = batch.readInt16BE(21);
    const producerId = batch.readBigInt64BE(43);
    nextOffset = firstOffset + batch.readInt32BE(23) + 1;
    for (; (abortedTransactions[aborted]?.firstOffset ?? Infinity) < nextOffset; aborted++) {
      aborting.add(abortedTransactions[aborted]!.producerId);
    }
    const count = batch.readInt32BE(57);
    if ((attributes & IS_CONTROL) !== 0) {
      if (count > 0 && isAbortMarker(batch)) aborting.delete(producerId);
      continue;
    }
    if ((attributes & IS_TRANSACTIONAL) !== 0 && aborting.has(producerId)) continue;
    const times = {
      firstOffset,
      firstTimestampMs: Number(batch.readBigInt64BE(27)),
      appendedAtMs: (attributes & IS_APPEND_TIME) === 0 ? null : Number(batch.readBigInt64BE(35)),
    };
    const codec = codecOf(attributes);
    const reader =
      codec === null || count === 0
        ? new RecordReader(batch, BATCH_HEADER_BYTES)
        : new RecordReader(await codec.decompress(batch.subarray(BATCH_HEADER_BYTES)), 0);
    for (let index = 0; index < count; index++) records.push(readRecord(reader, place, times));
  }
  return { records, nextOffset };
};
