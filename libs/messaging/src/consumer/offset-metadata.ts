import { crc32 } from 'node:zlib';
import { appendRange, type OffsetRanges } from './offset-ranges.js';

/**
 * The text that is committed beside an offset: which offsets above it are done already, so that the next owner of the partition
 * does not repeat them. It saves repetitions and is never relied on: whatever cannot be read counts as empty.
 *
 * Base64 of: magic, version, kind, content, CRC-32 over all that and the offset it was committed with. The content is run
 * lengths (gap, length, gap, length …) or, for a finely mixed window, a bit for each offset; what does not fit is left out
 * from the end, and only costs repetitions.
 */
const MAGIC = 0xcf;
const VERSION = 1;
const RUNS = 0;
const BITS = 1;
const HEADER_BYTES = 3;
const CHECKSUM_BYTES = 4;
/** 1,100 bytes are 1,468 characters of base64, well below Kafka's 4,096, and cheap in a request of 64 partitions. */
const BYTES_MAX = 1_100;
const CONTENT_BYTES_MAX = BYTES_MAX - HEADER_BYTES - CHECKSUM_BYTES;

interface Content {
  readonly kind: number;
  readonly bytes: readonly number[];
  /** The first offset that it says nothing about. */
  readonly end: number;
}

const varint = (value: number): number[] => {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) + 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return bytes;
};

const runsOf = (offset: number, ranges: OffsetRanges): Content => {
  const bytes: number[] = [];
  let end = offset;
  for (let i = 0; i < ranges.length; i += 2) {
    const [from = 0, to = 0] = [ranges[i], ranges[i + 1]];
    const run = [...varint(from - end), ...varint(to - from)];
    if (bytes.length + run.length > CONTENT_BYTES_MAX) break;
    bytes.push(...run);
    end = to;
  }
  return { kind: RUNS, bytes, end };
};

const bitsOf = (offset: number, ranges: OffsetRanges): Content => {
  const end = Math.min(ranges.at(-1) ?? offset, offset + CONTENT_BYTES_MAX * 8);
  const bytes = new Array<number>(Math.ceil((end - offset) / 8)).fill(0);
  for (let i = 0; i < ranges.length; i += 2) {
    for (let done = ranges[i] ?? end; done < Math.min(ranges[i + 1] ?? 0, end); done++) {
      const bit = done - offset;
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (1 << (bit & 7));
    }
  }
  return { kind: BITS, bytes, end };
};

const checksum = (bytes: Uint8Array, offset: number): number => crc32(bytes, crc32(String(offset)));

export const encodeOffsetMetadata = (offset: number, completed: OffsetRanges): string => {
  if (completed.length === 0) return '';
  let content = runsOf(offset, completed);
  if (content.end < (completed.at(-1) ?? 0)) {
    const bits = bitsOf(offset, completed);
    if (bits.end > content.end) content = bits;
  }
  const length = HEADER_BYTES + content.bytes.length;
  const buffer = Buffer.allocUnsafe(length + CHECKSUM_BYTES);
  buffer.set([MAGIC, VERSION, content.kind, ...content.bytes]);
  buffer.writeUInt32BE(checksum(buffer.subarray(0, length), offset), length);
  return buffer.toString('base64');
};

const readRuns = (offset: number, bytes: Uint8Array): OffsetRanges => {
  const ranges: number[] = [];
  let end = offset;
  let at = 0;
  const next = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = bytes[at++] ?? 0;
      value += (byte % 0x80) * factor;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const from = end + next();
    end = from + next();
    appendRange(ranges, from, end);
  }
  return ranges;
};

const readBits = (offset: number, bytes: Uint8Array): OffsetRanges => {
  const ranges: number[] = [];
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    if (((bytes[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0) appendRange(ranges, offset + bit, offset + bit + 1);
  }
  return ranges;
};

/** Empty for text that is foreign, garbled, of a later version or of another offset. */
export const decodeOffsetMetadata = (offset: number, metadata: string): OffsetRanges => {
  const buffer = Buffer.from(metadata, 'base64');
  const length = buffer.length - CHECKSUM_BYTES;
  if (length < HEADER_BYTES || buffer[0] !== MAGIC || buffer[1] !== VERSION) return [];
  if (buffer.readUInt32BE(length) !== checksum(buffer.subarray(0, length), offset)) return [];
  const content = buffer.subarray(HEADER_BYTES, length);
  if (buffer[2] === RUNS) return readRuns(offset, content);
  return buffer[2] === BITS ? readBits(offset, content) : [];
};
