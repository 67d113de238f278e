/**
 * The body of a Produce request (versions 3 to 7), written in one go into one buffer: kafkajs makes several for every record and header,
 * which was a sixth of the invoker's time.
 *
 *   body    transactional id (null) – acks – timeout – [topic – [partition – bytes of a batch]]
 *   batch   offset 0 – length – leader epoch – magic 2 – CRC-32C of what follows – attributes – last offset delta – times – producer
 *           (none) – [record]
 *   record  length – attributes – time delta – offset delta – key – value – [header], every number as zigzag varint
 */
import { crc32c } from './crc32c.js';

export interface EncodedRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** As `encodeHeaders` writes them. */
  readonly headers: Buffer;
}

export interface EncodedBatch {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly EncodedRecord[];
}

const BATCH_HEADER_BYTES = 61;
/** From the attributes on: what the checksum covers. */
const CHECKED_FROM = 21;
const VARINT_BYTES_MAX = 5;
/** A string of so many UTF-16 units has a length that fits into one byte, if it is ASCII. */
const SHORT_CHARS_MAX = 63;

const zigzag = (value: number): number => (value << 1) ^ (value >> 31);

const varintBytes = (value: number): number => {
  let bytes = 1;
  for (let rest = zigzag(value) >>> 7; rest !== 0; rest >>>= 7) bytes++;
  return bytes;
};

/** Answers where it ends. */
const writeVarint = (into: Buffer, value: number, at: number): number => {
  let rest = zigzag(value) >>> 0;
  for (; rest > 0x7f; rest >>>= 7) into[at++] = (rest & 0x7f) | 0x80;
  into[at++] = rest;
  return at;
};

/** A loop beats a call out of JavaScript for texts as short as headers are. Answers false when the text is not ASCII. */
const writeAscii = (into: Buffer, text: string, at: number): boolean => {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code > 0x7f) return false;
    into[at + index] = code;
  }
  return true;
};

const writeText = (into: Buffer, text: string, at: number): number => {
  if (text.length <= SHORT_CHARS_MAX && writeAscii(into, text, at + 1)) {
    into[at] = text.length << 1;
    return at + 1 + text.length;
  }
  const start = writeVarint(into, Buffer.byteLength(text), at);
  return start + into.write(text, start, 'utf8');
};

let scratch = Buffer.allocUnsafeSlow(4_096);

/** The headers of a record as they are on the wire. */
export const encodeHeaders = (headers: Readonly<Record<string, string>>): Buffer => {
  let count = 0;
  let room = VARINT_BYTES_MAX;
  for (const name in headers) {
    count++;
    room += 2 * VARINT_BYTES_MAX + 3 * (name.length + headers[name]!.length);
  }
  if (scratch.length < room) scratch = Buffer.allocUnsafeSlow(room);
  let at = writeVarint(scratch, count, 0);
  for (const name in headers) at = writeText(scratch, headers[name]!, writeText(scratch, name, at));
  return Buffer.from(scratch.subarray(0, at));
};

const textBytes = (bytes: Buffer | null): number => (bytes === null ? 1 : varintBytes(bytes.length) + bytes.length);

const recordBytes = ({ key, value, headers }: EncodedRecord, offsetDelta: number): number =>
  2 + varintBytes(offsetDelta) + textBytes(key) + textBytes(value) + headers.length;

const batchBytes = ({ records }: EncodedBatch): number => {
  let bytes = BATCH_HEADER_BYTES;
  for (let index = 0; index < records.length; index++) {
    const record = recordBytes(records[index]!, index);
    bytes += varintBytes(record) + record;
  }
  return bytes;
};

const writeBytes = (into: Buffer, bytes: Buffer | null, at: number): number => {
  if (bytes === null) return writeVarint(into, -1, at);
  const start = writeVarint(into, bytes.length, at);
  into.set(bytes, start);
  return start + bytes.length;
};

const writeRecord = (into: Buffer, record: EncodedRecord, offsetDelta: number, at: number): number => {
  const start = writeVarint(into, recordBytes(record, offsetDelta), at);
  into[start] = 0; // attributes
  into[start + 1] = 0; // time delta
  const end = writeBytes(into, record.value, writeBytes(into, record.key, writeVarint(into, offsetDelta, start + 2)));
  into.set(record.headers, end);
  return end + record.headers.length;
};

const writeBatch = (into: Buffer, { records }: EncodedBatch, bytes: number, nowMs: bigint, at: number): number => {
  into.writeBigInt64BE(0n, at);
  into.writeInt32BE(bytes - 12, at + 8);
  into.writeInt32BE(0, at + 12); // leader epoch
  into[at + 16] = 2; // magic
  into.writeInt16BE(0, at + CHECKED_FROM); // attributes: no compression, time of creation, no transaction
  into.writeInt32BE(records.length - 1, at + 23);
  into.writeBigInt64BE(nowMs, at + 27);
  into.writeBigInt64BE(nowMs, at + 35);
  into.writeBigInt64BE(-1n, at + 43); // producer
  into.writeInt16BE(0, at + 51);
  into.writeInt32BE(0, at + 53);
  into.writeInt32BE(records.length, at + 57);
  let end = at + BATCH_HEADER_BYTES;
  for (let index = 0; index < records.length; index++) end = writeRecord(into, records[index]!, index, end);
  into.writeUInt32BE(crc32c(into, at + CHECKED_FROM, end), at + 17);
  return end;
};

/** Batches must not be empty. `nowMs` is the time of all records. */
export const encodeProduceBody = (acks: number, timeoutMs: number, batches: readonly EncodedBatch[], nowMs: number): Buffer => {
  const sizes = batches.map(batchBytes);
  let room = 12;
  for (let index = 0; index < batches.length; index++) room += 2 + Buffer.byteLength(batches[index]!.topic) + 12 + sizes[index]!;
  const body = Buffer.allocUnsafeSlow(room);
  body.writeInt16BE(-1, 0);
  body.writeInt16BE(acks, 2);
  body.writeInt32BE(timeoutMs, 4);
  body.writeInt32BE(batches.length, 8);
  let at = 12;
  for (let index = 0; index < batches.length; index++) {
    const batch = batches[index]!;
    const topicBytes = body.write(batch.topic, at + 2, 'utf8');
    body.writeInt16BE(topicBytes, at);
    at += 2 + topicBytes;
    body.writeInt32BE(1, at);
    body.writeInt32BE(batch.partition, at + 4);
    body.writeInt32BE(sizes[index]!, at + 8);
    at = writeBatch(body, batch, sizes[index]!, BigInt(nowMs), at + 12);
  }
  return body;
};
