import { describe, expect, it } from '@jest/globals';
import type { Exchange } from '../http/exchange.js';
import { readToken } from './read-token.js';

const SECRETS = ['s3cret'];
const exchange = (status: number | null, body: unknown, more: Partial<Exchange> = {}): Exchange => ({
  startedAtMs: 0,
  durationMs: 1,
  sent: true,
  failure: null,
  status,
  headers: {},
  body: { state: 'whole', bytes: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)) },
  ...more,
});
const good = { access_token: 'abc', token_type: 'Bearer', expires_in: 3_600 };

describe('the answer of a token server', () => {
  it.each(['Bearer', 'bearer', 'BEARER'])('with the type %s is a token', (type) => {
    expect(readToken(exchange(200, { ...good, token_type: type }), SECRETS)).toEqual({ ok: true, value: 'abc', usableForMs: 3_540_000 });
  });

  it.each<[string, unknown, string]>([
    ['another type', { ...good, token_type: 'mac' }, "the token server's token_type cannot be used"],
    ['no type', { access_token: 'abc' }, "the token server's token_type cannot be used"],
    ['no token', { token_type: 'Bearer' }, "the token server's access_token cannot be used"],
    ['an empty token', { ...good, access_token: '' }, "the token server's access_token cannot be used"],
    ['a token that would split a header', { ...good, access_token: 'a\r\nx: y' }, "the token server's access_token cannot be used"],
    ['a token beyond ASCII', { ...good, access_token: 'é' }, "the token server's access_token cannot be used"],
    ['an endless token', { ...good, access_token: 'x'.repeat(16 * 1024 + 1) }, "the token server's access_token cannot be used"],
    ['a token of another kind', { ...good, access_token: { a: 1 } }, "the token server's access_token cannot be used"],
    [
      'a token that is only inherited',
      '{"__proto__":{"access_token":"abc","token_type":"Bearer"}}',
      "the token server's access_token cannot be used",
    ],
    ['no JSON', 'access_token=abc', "the token server's answer is no JSON object"],
    ['a list', '[]', "the token server's answer is no JSON object"],
    ['an error', { error: 'invalid_scope' }, 'invalid_scope: the token server answered 200'],
  ])('with %s is none', (_name, body, detail) => {
    expect(readToken(exchange(200, body), SECRETS)).toEqual({ ok: false, reason: 'auth_token', detail });
  });

  it.each<[number, unknown, string]>([
    [400, { error: 'invalid_client', error_description: 's3cret' }, 'invalid_client: the token server answered 400'],
    [401, { error: 'no s3cret here\r\nx\u0000é' }, 'no?***?here??x??: the token server answered 401'],
    [400, { error: 'x'.repeat(1_000) }, `${'x'.repeat(64)}: the token server answered 400`],
    [400, { error: { code: 1 } }, 'the token server answered 400'],
    [503, 'busy', 'the token server answered 503'],
    [302, '', 'the token server answered 302'],
    [201, good, 'the token server answered 201'],
  ])('%i %j tells its error code, in bounds and without secrets', (status, body, detail) => {
    expect(readToken(exchange(status, body), SECRETS)).toEqual({ ok: false, reason: 'auth_token', detail });
  });

  it('that is not whole says how', () => {
    const large = exchange(200, '', { body: { state: 'too_large', bytes: Buffer.alloc(0) } });
    expect(readToken(large, SECRETS)).toMatchObject({ reason: 'auth_token', detail: "the token server's answer is too large" });
  });

  it('that never came says why, and a blocked address stays one', () => {
    const unreached = (reason: 'dns' | 'blocked_address') => readToken(exchange(null, '', { failure: { reason, detail: 'x' } }), SECRETS);
    expect(unreached('dns')).toEqual({ ok: false, reason: 'auth_token', detail: 'the token server: dns (x)' });
    expect(unreached('blocked_address')).toEqual({ ok: false, reason: 'blocked_address', detail: 'x' });
  });
});
