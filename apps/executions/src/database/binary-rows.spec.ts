import { describe, expect, it } from '@jest/globals';
import { BinaryRows } from './binary-rows.js';

/** What stands between the head of the format and its end: the size of each value and the value. */
const written = (write: (out: BinaryRows) => void): Buffer => {
  const out = new BinaryRows(Buffer.alloc(32));
  write(out);
  return out.end().subarray(19, -2);
};

const bytes = (write: (out: BinaryRows) => void): string => written(write).subarray(4).toString('hex');
const microseconds = (time: string): bigint => written((out) => out.timestamptz(time)).readBigInt64BE(4);
const text = (value: string): string =>
  written((out) => out.text(value))
    .subarray(4)
    .toString();

describe('BinaryRows', () => {
  it('stands between a head and an end', () => {
    const out = new BinaryRows(Buffer.alloc(32));
    out.row(1);
    out.boolean(true);
    expect(out.end().toString('latin1')).toBe('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0' + '\0\x01' + '\0\0\0\x01\x01' + '\xff\xff');
  });

  it('writes null as a size below nothing, whatever the type', () => {
    const types = ['uuid', 'text', 'boolean', 'integer', 'bigint', 'float8', 'timestamptz'] as const;
    for (const type of types) expect(written((out) => out[type](null)).toString('hex')).toBe('ffffffff');
  });

  it('writes ids of either case as their bytes', () => {
    expect(bytes((out) => out.uuid('2f2b7a52-8F1E-5a0e-9a63-0c6a1c6f5d99'))).toBe('2f2b7a528f1e5a0e9a630c6a1c6f5d99');
  });

  it('counts times from 2000 on, however they are written, as exactly as they are given', () => {
    expect(microseconds('2000-01-01T00:00:00.000Z')).toBe(0n);
    expect(microseconds('1999-12-31T23:59:59.999Z')).toBe(-1_000n);
    expect(microseconds('2026-11-22T17:04:05.13+02:00')).toBe(
      BigInt(Date.UTC(2026, 10, 22, 15, 4, 5, 130) - Date.UTC(2000, 0, 1)) * 1_000n,
    );
    expect(microseconds('9999-12-31T23:59:59.999Z')).toBe(BigInt(Date.UTC(9999, 11, 31, 23, 59, 59, 999) - Date.UTC(2000, 0, 1)) * 1_000n);
  });

  it('writes numbers by their type', () => {
    expect(bytes((out) => out.integer(-2))).toBe('fffffffe');
    expect(written((out) => out.bigint(2 ** 40 + 1)).readBigInt64BE(4)).toBe(2n ** 40n + 1n);
    expect(written((out) => out.float8(121.4)).readDoubleBE(4)).toBe(121.4);
  });

  it('refuses what its type cannot hold as Postgres does', () => {
    expect(() => written((out) => out.integer(2 ** 31))).toThrow(expect.objectContaining({ code: '22003', retryable: false }));
    expect(() => written((out) => out.timestamptz('yesterday'))).toThrow(expect.objectContaining({ code: '22007', retryable: false }));
  });

  it('writes text as UTF-8, and replaces what Postgres refuses', () => {
    expect(text('é\t\\N\n')).toBe('é\t\\N\n');
    expect(text('a\0b\uD800c')).toBe('a\uFFFDb\uFFFDc');
  });

  it('grows with what it holds', () => {
    const long = 'x'.repeat(1_000);
    expect(text(long)).toBe(long);
  });
});
