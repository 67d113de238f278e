import { describe, expect, it } from '@jest/globals';
import type { Exchange } from './http/exchange.js';
import { interpretExchange, isBreakerFailure, readRetryAfter } from './interpret-exchange.js';

const NOW = Date.parse('2026-11-22T15:00:00.000Z');
const exchange = (more: Partial<Exchange>): Exchange => ({
  startedAtMs: NOW,
  durationMs: 1,
  sent: true,
  failure: null,
  status: 200,
  headers: {},
  body: { state: 'whole', bytes: Buffer.from('{"returnValue":"x"}') },
  ...more,
});

describe('Retry-After', () => {
  it.each([
    ['7', 7_000],
    [' 7 ', 7_000],
    ['0', 0],
    ['99999', 60 * 60_000],
    ['Sun, 22 Nov 2026 15:00:10 GMT', 10_000],
    ['Sunday, 22-Nov-26 15:00:10 GMT', 10_000],
    ['Sun, 22 Nov 2026 14:00:00 GMT', 0],
    ['Sun, 22 Nov 2030 15:00:00 GMT', 60 * 60_000],
    ['soon', null],
    ['-1', null],
    ['1.5', null],
    ['', null],
    [undefined, null],
  ])('%j is %s ms', (header, expected) => expect(readRetryAfter(header, NOW)).toBe(expected));
});

describe('an exchange', () => {
  it.each(['too_large', 'unknown_encoding', 'undecodable'] as const)(
    'with 2xx is success for a trigger, also with a body that is %s',
    (state) => {
      expect(interpretExchange('trigger', exchange({ body: { state, bytes: Buffer.from('x') } }), NOW)).toEqual({
        kind: 'answered',
        httpStatus: 200,
        returnValue: null,
        warning: null,
      });
    },
  );

  it('that failed after its headers keeps the status and fails with what broke it', () => {
    const broken = exchange({ failure: { reason: 'connection', detail: 'x' }, status: 404 });
    expect(interpretExchange('trigger', broken, NOW)).toMatchObject({ kind: 'failed', reason: 'connection', httpStatus: 404 });
  });

  it.each([
    [{ failure: { reason: 'timeout', detail: '' }, status: null }, true],
    [{ failure: { reason: 'connection', detail: '' }, status: null }, true],
    [{ failure: { reason: 'dns', detail: '' }, status: null }, true],
    [{ failure: { reason: 'tls', detail: '' }, status: null }, true],
    [{ failure: { reason: 'blocked_address', detail: '' }, status: null }, false],
    [{ failure: { reason: 'response_too_large', detail: '' }, status: null }, false],
    [{ status: 429 }, true],
    [{ status: 500 }, true],
    [{ status: 404 }, false],
    [{ status: 302 }, false],
    [{ status: 200 }, false],
  ] as [Partial<Exchange>, boolean][])('%j counts against the endpoint: %s', (more, counts) => {
    expect(isBreakerFailure(interpretExchange('step', exchange(more), NOW))).toBe(counts);
  });
});
