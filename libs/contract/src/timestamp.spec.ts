import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { rfc3339, writeTime } from './timestamp.js';

describe('a time', () => {
  it.each([
    ['2026-11-22T15:04:05.123Z', '2026-11-22T15:04:05.123Z'],
    ['2026-11-22T16:04:05.123456789+01:00', '2026-11-22T15:04:05.123Z'],
    ['2024-02-29T15:04:05.123Z', '2024-02-29T15:04:05.123Z'],
    ['2026-11-22T15:04:05-00:00', '2026-11-22T15:04:05.000Z'],
    ['2026-11-22t15:04:05z', '2026-11-22T15:04:05.000Z'],
    ['2016-12-31T23:59:60Z', '2016-12-31T23:59:59.999Z'],
    ['2017-01-01T05:29:60.25+05:30', '2016-12-31T23:59:59.999Z'],
  ])('is read from %s', (given, written) => {
    expect(writeTime(rfc3339.parse(given))).toBe(written);
  });

  it.each([
    '',
    'yesterday',
    '2026-11-22',
    '2026-11-22T15:04:05',
    '2026-02-30T00:00:00Z',
    '2026-02-29T00:00:00.000Z',
    '2026-04-31T00:00:00.000Z',
    '2026-11-22T15:04:61Z',
    '2026-11-22T24:00:00Z',
    5,
  ])('is not read from %j', (given) => {
    expect(rfc3339.safeParse(given).success).toBe(false);
  });

  it('is written as itself, whatever was written before it', () => {
    const startMs = Date.parse('2026-11-22T15:04:05.123Z');
    const times = [0, 256, 0, 512, -256, 1, 0, 2 ** 32, 0.5].map((plusMs) => startMs + plusMs);
    expect(times.map((time) => writeTime(time))).toEqual(times.map((time) => new Date(time).toISOString()));
  });

  it('is a date-time in JSON Schema', () => {
    expect(z.toJSONSchema(rfc3339, { io: 'input' })).toMatchObject({ type: 'string', format: 'date-time' });
  });
});
