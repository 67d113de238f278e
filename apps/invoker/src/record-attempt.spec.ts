import { describe, expect, it } from '@jest/globals';
import { attempt, stepInvocationRequests } from '@cf/contract';
import type { Exchange } from './http/exchange.js';
import { maskSecrets } from './mask-secrets.js';
import { recordAttempt } from './record-attempt.js';

const exchange = (more: Partial<Exchange>): Exchange => ({
  startedAtMs: 0,
  durationMs: 1,
  sent: true,
  failure: null,
  status: 200,
  headers: {},
  body: { state: 'whole', bytes: Buffer.alloc(0) },
  ...more,
});
const record = (more: Partial<Exchange>, secrets: string[] = []) =>
  recordAttempt(stepInvocationRequests.example, { number: 2, headers: { a: 'b' }, secrets }, exchange(more), null);

describe('the record of an attempt', () => {
  it('is an attempt of the contract', () => {
    expect(attempt.parse(record({}))).toMatchObject({
      number: 2,
      httpStatus: 200,
      startedAt: '1970-01-01T00:00:00.000Z',
      request: { headers: { a: 'b' } },
    });
  });

  it('has no response when no answer came', () => expect(record({ status: null }).response).toBeNull());

  it.each(['too_large', 'broken_off'] as const)('says that a body that is %s is not all', (state) => {
    expect(record({ body: { state, bytes: Buffer.from('x') } }).response).toMatchObject({ body: 'x', truncated: true });
  });

  it('keeps 8 KiB of headers', () => {
    const headers = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`x-${index}`, 'v'.repeat(1_000)]));
    expect(Object.keys(record({ headers }).response?.headers ?? {})).toHaveLength(8);
  });

  it('masks a secret wherever it was sent back, also where the cut would part it', () => {
    const body = { state: 'whole', bytes: Buffer.from(`${'x'.repeat(8 * 1024 - 3)}s3cret and more`) } as const;
    expect(record({ headers: { echo: 's3cret!' }, body }, ['s3cret']).response).toMatchObject({
      headers: { echo: '***!' },
      body: `${'x'.repeat(8 * 1024 - 3)}***`,
      truncated: true,
    });
    expect(maskSecrets('a1b a1b', ['a1b'])).toBe('*** ***');
  });

  it.each([
    String.raw`{"a":"x \"ab\/c+\\d\u00e9\" y"}`,
    String.raw`{"a":"x \u0022ab/c\u002B\u005Cd\u00E9\" y"}`,
    String.raw`{"a":"x \"ab\u002fc+\\dé\u0022 y"}`,
  ])('masks a secret as JSON writes it: %s', (text) => {
    expect(JSON.parse(text)).toEqual({ a: 'x "ab/c+\\dé" y' });
    expect(maskSecrets(text, ['nothing', 'ab/c+\\dé'])).toMatch(/^{"a":"x \\(?:"|u0022)\*\*\*\\(?:"|u0022) y"}$/);
  });
});
