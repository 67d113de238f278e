import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { deadLetters, DEAD_LETTER_VALUE_BYTES_MAX } from '@cf/contract';
import type { LogRecord } from '../log.js';
import { deadLetterOf } from './dead-letter.js';

const record = (changes: Partial<LogRecord> = {}): LogRecord => ({
  topic: 'chat.events',
  partition: 3,
  offset: 118,
  key: Buffer.from('key'),
  value: Buffer.from([0x7b, 0xff]),
  headers: { 'org-id': 'org' },
  timestampMs: Date.parse('2026-11-22T15:04:05.123Z'),
  ...changes,
});

describe('dead letter', () => {
  it('keeps the record as it was, with its origin and the reason', () => {
    expect(deadLetters.schema.parse(deadLetterOf(record(), 'not_utf8', 'the value is not UTF-8'))).toEqual({
      origin: { topic: 'chat.events', partition: 3, offset: 118 },
      reason: 'not_utf8',
      detail: 'the value is not UTF-8',
      receivedAt: '2026-11-22T15:04:05.123Z',
      key: 'key',
      valueBase64: 'e/8=',
      valueSha256: createHash('sha256')
        .update(Buffer.from([0x7b, 0xff]))
        .digest('hex'),
      truncated: false,
      headers: { 'org-id': 'org' },
    });
  });

  it('is cut at 1 MiB with the hash of the whole value, and fits its topic whatever the record was', () => {
    const value = Buffer.alloc(3 * 1024 * 1024, 1);
    const headers = { small: 'x', huge: 'x'.repeat(1_000_000) };
    const letter = deadLetterOf(record({ value, headers, key: Buffer.alloc(500_000, 'k') }), 'handler_failed', 'x'.repeat(10_000));
    expect(Buffer.from(letter.valueBase64 ?? '', 'base64')).toEqual(value.subarray(0, DEAD_LETTER_VALUE_BYTES_MAX));
    expect(letter.valueSha256).toBe(createHash('sha256').update(value).digest('hex'));
    expect(letter.truncated).toBe(true);
    expect(letter.headers).toEqual({ small: 'x' });
    expect(JSON.stringify(letter).length).toBeLessThan(deadLetters.messageBytesMax - 64 * 1024);
  });

  it('tells a record without a value from one with an empty value', () => {
    expect(deadLetterOf(record({ value: null }), 'invalid_message', '')).toMatchObject({ valueBase64: null, valueSha256: null });
    expect(deadLetterOf(record({ value: Buffer.alloc(0) }), 'not_json', '')).toMatchObject({ valueBase64: '', truncated: false });
  });
});
