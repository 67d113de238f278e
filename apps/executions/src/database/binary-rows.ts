/**
 * Rows in the binary format of `COPY`. A value is written as Postgres keeps it, so that it parses neither times nor ids.
 * Text with NUL, which Postgres refuses, is stored all the same: customers' answers may hold it, and must not be lost for it. Lone surrogates
 * are replaced in writing UTF-8.
 */
import { StatementRefused } from './statement-refused.js';

/** What Postgres says to such a value in text. */
const NUMERIC_VALUE_OUT_OF_RANGE = '22003';
const INVALID_DATETIME_FORMAT = '22007';

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const NULL = -1;
const END = -1;

const EPOCH_MS = Date.UTC(2000, 0, 1);
const US_PER_MS = 1_000;
const WORD = 2 ** 32;

const HEX = new Uint8Array(128);
for (const digit of '0123456789abcdefABCDEF') HEX[digit.charCodeAt(0)] = parseInt(digit, 16);
/** Where the bytes of a uuid stand in its text. */
const UUID_BYTES = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

export class BinaryRows {
  private length = 0;

  /** `memory` grows when the rows need more. */
  constructor(public memory: Buffer) {
    this.reserve(SIGNATURE.length);
    this.length += SIGNATURE.copy(this.memory);
  }

  row(columns: number): void {
    this.reserve(2);
    this.length = this.memory.writeInt16BE(columns, this.length);
  }

  uuid(value: string | null): void {
    if (value === null) return this.size(NULL);
    this.size(UUID_BYTES.length);
    for (let byte = 0; byte < UUID_BYTES.length; byte++) {
      const place = UUID_BYTES[byte]!;
      this.memory[this.length++] = (HEX[value.charCodeAt(place)]! << 4) | HEX[value.charCodeAt(place + 1)]!;
    }
  }

  text(value: string | null): void {
    if (value === null) return this.size(NULL);
    const stored = value.includes('\0') ? value.replaceAll('\0', '\uFFFD') : value;
    const bytesMax = 3 * stored.length;
    this.reserve(4 + bytesMax);
    const bytes = this.memory.write(stored, this.length + 4);
    this.length = this.memory.writeInt32BE(bytes, this.length) + bytes;
  }

  boolean(value: boolean | null): void {
    if (value === null) return this.size(NULL);
    this.size(1);
    this.memory[this.length++] = value ? 1 : 0;
  }

  integer(value: number | null): void {
    if (value === null) return this.size(NULL);
    if ((value | 0) !== value) throw new StatementRefused(NUMERIC_VALUE_OUT_OF_RANGE, `${value} is out of range for type integer`);
    this.size(4);
    this.length = this.memory.writeInt32BE(value, this.length);
  }

  bigint(value: number | null): void {
    if (value === null) return this.size(NULL);
    this.size(8);
    this.words(Math.floor(value / WORD), value);
  }

  float8(value: number | null): void {
    if (value === null) return this.size(NULL);
    this.size(8);
    this.length = this.memory.writeDoubleBE(value, this.length);
  }

  /** As a number a late time has more microseconds than are exact, so its words are multiplied one by one. */
  timestamptz(value: string | null): void {
    if (value === null) return this.size(NULL);
    this.size(8);
    const ms = Date.parse(value) - EPOCH_MS;
    if (Number.isNaN(ms)) throw new StatementRefused(INVALID_DATETIME_FORMAT, 'a time that cannot be read');
    const high = Math.floor(ms / WORD);
    const low = (ms - high * WORD) * US_PER_MS;
    this.words(high * US_PER_MS + Math.floor(low / WORD), low);
  }

  /** All that was written; nothing can be added. */
  end(): Buffer {
    this.row(END);
    return this.memory.subarray(0, this.length);
  }

  private words(high: number, low: number): void {
    this.length = this.memory.writeInt32BE(high, this.length);
    this.length = this.memory.writeInt32BE(low | 0, this.length);
  }

  private size(bytes: number): void {
    this.reserve(4 + Math.max(bytes, 0));
    this.length = this.memory.writeInt32BE(bytes, this.length);
  }

  private reserve(bytes: number): void {
    if (this.length + bytes <= this.memory.length) return;
    const larger = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(this.length + bytes)));
    this.memory.copy(larger, 0, 0, this.length);
    this.memory = larger;
  }
}
