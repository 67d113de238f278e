import { crc32 } from 'node:zlib';
import type { TopicPartition } from '../log.js';
import { appendRange, type OffsetRanges } from './offset-ranges.js';

export interface Suspect {
  readonly offset: number;
  /** How often a process died while it may have run. */
  readonly deaths: number;
  /** It may run now. */
  readonly announced: boolean;
}

export interface OffsetProgress {
  /** The partition has an owner that has not handed it over. */
  readonly isOpen: boolean;
  readonly suspects: readonly Suspect[];
  /** What is done above the committed offset. */
  readonly completed: OffsetRanges;
}

/** Of a partition that nobody committed for. */
export const NOTHING_KNOWN: OffsetProgress = { isOpen: false, suspects: [], completed: [] };

/**
 * The text that is committed beside an offset: which offsets above it are done already, so that the next owner of the partition
 * does not repeat them, and which records may have killed a process. It is never relied on for anything to be handled: whatever
 * cannot be read counts as empty.
 *
 * Base64 of: magic, version, flags, suspects (count, then gap and deaths of each), completed offsets, CRC-32 over all that and over the
 * place it was committed for: text of another topic, partition or offset is foreign. Completed offsets are run lengths (gap, length, gap,
 * length …) or, for a finely mixed window, a bit each. What does not fit is left out from the end and would be repeated after a crash, so
 * the engine lets no partition come so far: it holds one that is crowded.
 */
const MAGIC = 0xcf;
const VERSION = 2;
const FLAG = { bits: 1, open: 2 } as const;
const HEADER_BYTES = 3;
const CHECKSUM_BYTES = 4;
/** 3,000 bytes are 4,000 characters of base64; Kafka takes 4,096. */
const BYTES_MAX = 3_000;
const CONTENT_BYTES_MAX = BYTES_MAX - HEADER_BYTES - CHECKSUM_BYTES;
/** A suspect takes two or three bytes, so these leave room for the rest. */
export const SUSPECTS_MAX = 256;
/** Of the room for completed offsets. What was delivered by then goes on and may still mix in more. */
const CROWDED = 0.5;

interface Content {
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

const runsOf = (offset: number, ranges: OffsetRanges, bytesMax: number): Content => {
  const bytes: number[] = [];
  let end = offset;
  for (let i = 0; i < ranges.length; i += 2) {
    const [from = 0, to = 0] = [ranges[i], ranges[i + 1]];
    const run = [...varint(from - end), ...varint(to - from)];
    if (bytes.length + run.length > bytesMax) break;
    bytes.push(...run);
    end = to;
  }
  return { bytes, end };
};

const bitsOf = (offset: number, ranges: OffsetRanges, bytesMax: number): Content => {
  const end = Math.min(ranges.at(-1) ?? offset, offset + bytesMax * 8);
  const bytes = new Array<number>(Math.ceil((end - offset) / 8)).fill(0);
  for (let i = 0; i < ranges.length; i += 2) {
    for (let done = ranges[i] ?? end; done < Math.min(ranges[i + 1] ?? 0, end); done++) {
      const bit = done - offset;
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (1 << (bit & 7));
    }
  }
  return { bytes, end };
};

const checksum = (bytes: Uint8Array, { topic, partition }: TopicPartition, offset: number): number =>
  crc32(bytes, crc32(`${topic}/${partition}@${offset}`));

const suspectsOf = (offset: number, suspects: readonly Suspect[]): number[] => {
  // Those below are gone from the log; a gap is never negative.
  const kept = suspects.filter((suspect) => suspect.offset >= offset).slice(0, SUSPECTS_MAX);
  const bytes = varint(kept.length);
  let previous = offset;
  for (const { offset: at, deaths, announced } of kept) {
    bytes.push(...varint(at - previous), ...varint(deaths * 2 + (announced ? 1 : 0)));
    previous = at;
  }
  return bytes;
};

export interface EncodedProgress {
  readonly metadata: string;
  readonly isCrowded: boolean;
}

export const encodeOffsetMetadata = (
  of: TopicPartition,
  offset: number,
  { isOpen, suspects, completed }: OffsetProgress,
): EncodedProgress => {
  if (!isOpen && suspects.length === 0 && completed.length === 0) return { metadata: '', isCrowded: false };
  const suspected = suspectsOf(offset, suspects);
  const bytesMax = CONTENT_BYTES_MAX - suspected.length;
  let flags = isOpen ? FLAG.open : 0;
  let content = runsOf(offset, completed, bytesMax);
  const end = completed.at(-1) ?? offset;
  if (content.end < end || (end - offset) / 8 < content.bytes.length) {
    const bits = bitsOf(offset, completed, bytesMax);
    if (bits.end > content.end || bits.end === end) {
      content = bits;
      flags |= FLAG.bits;
    }
  }
  const length = HEADER_BYTES + suspected.length + content.bytes.length;
  const buffer = Buffer.allocUnsafe(length + CHECKSUM_BYTES);
  buffer.set([MAGIC, VERSION, flags, ...suspected, ...content.bytes]);
  buffer.writeUInt32BE(checksum(buffer.subarray(0, length), of, offset), length);
  return { metadata: buffer.toString('base64'), isCrowded: content.bytes.length > bytesMax * CROWDED };
};

class Varints {
  #at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  get rest(): Uint8Array {
    return this.bytes.subarray(this.#at);
  }

  next(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = this.bytes[this.#at++] ?? 0;
      value += (byte % 0x80) * factor;
      if (byte < 0x80) return value;
    }
  }
}

const readSuspects = (offset: number, varints: Varints): Suspect[] => {
  let at = offset;
  return Array.from({ length: varints.next() }, () => {
    at += varints.next();
    const counted = varints.next();
    return { offset: at, deaths: Math.floor(counted / 2), announced: counted % 2 === 1 };
  });
};

const readRuns = (offset: number, bytes: Uint8Array): OffsetRanges => {
  const ranges: number[] = [];
  const varints = new Varints(bytes);
  let end = offset;
  while (varints.rest.length > 0) {
    const from = end + varints.next();
    end = from + varints.next();
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

/** Says nothing for text that is foreign, garbled, of another version or of another place. */
export const decodeOffsetMetadata = (of: TopicPartition, offset: number, metadata: string): OffsetProgress => {
  const buffer = Buffer.from(metadata, 'base64');
  const length = buffer.length - CHECKSUM_BYTES;
  if (length < HEADER_BYTES || buffer[0] !== MAGIC || buffer[1] !== VERSION) return NOTHING_KNOWN;
  if (buffer.readUInt32BE(length) !== checksum(buffer.subarray(0, length), of, offset)) return NOTHING_KNOWN;
  const flags = buffer[2] ?? 0;
  const varints = new Varints(buffer.subarray(HEADER_BYTES, length));
  const suspects = readSuspects(offset, varints);
  const completed = (flags & FLAG.bits) === 0 ? readRuns(offset, varints.rest) : readBits(offset, varints.rest);
  return { isOpen: (flags & FLAG.open) !== 0, suspects, completed };
};
