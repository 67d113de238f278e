import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { CustomerHttp } from '../http/customer-http.js';
import type { Exchange } from '../http/exchange.js';
import { type AccessToken, TokenSource } from './token-source.js';

const NOW = Date.parse('2026-11-22T15:00:00.000Z');
const answer = (status: number, body: unknown): Partial<Exchange> => ({
  failure: null,
  status,
  body: { state: 'whole', bytes: Buffer.from(JSON.stringify(body)) },
});

/** A token server that answers the n-th request as it is told, after 10 ms. */
class TokenServer {
  asked = 0;
  answers = (asked: number): Partial<Exchange> => answer(200, { access_token: `t${asked}`, token_type: 'Bearer', expires_in: 3_600 });
  readonly http = {
    post: async () => {
      const asked = ++this.asked;
      await new Promise((resolve) => setTimeout(resolve, 10));
      return this.answers(asked);
    },
  } as unknown as CustomerHttp;
}

describe('the token of an API', () => {
  let server: TokenServer;
  let source: TokenSource;
  beforeEach(() => {
    jest.useFakeTimers({ now: NOW });
    server = new TokenServer();
    const request = { orgId: 'o', target: { origin: 'https://t', path: '/', headers: [], tls: null }, body: '', secrets: ['s3cret'] };
    source = new TokenSource(request, { http: server.http, onAsked: () => undefined });
  });
  afterEach(() => void jest.useRealTimers());

  const settled = async <T>(promise: T | Promise<T>, ms = 10): Promise<T> => {
    await jest.advanceTimersByTimeAsync(ms);
    return promise;
  };
  const get = async () => settled(source.get(Date.now() + 10_000));
  const tokenOf = async (): Promise<AccessToken> => {
    const got = await get();
    if (!got.ok) throw new Error(got.detail);
    return got.token;
  };
  const renewed = async (token: AccessToken) => settled(source.renew(token, Date.now() + 10_000));

  it('is asked for once by all who come together', async () => {
    const all = Array.from({ length: 100 }, () => source.get(Date.now() + 10_000));
    const tokens = await settled(Promise.all(all.map(async (got) => got)));
    expect(server.asked).toBe(1);
    expect(new Set(tokens.map((got) => got.ok && got.token.secrets[0]))).toEqual(new Set(['t1']));
  });

  it.each([
    [3_600, 3_540_000],
    ['3600', 3_540_000],
    [61, 1_000],
    [undefined, 300_000],
    [null, 300_000],
    ['soon', 300_000],
    [-5, 300_000],
    [Number.MAX_SAFE_INTEGER, 24 * 60 * 60_000 - 60_000],
  ])('that expires in %p s is used for %i ms', async (expiresIn, usableForMs) => {
    server.answers = (asked) => answer(200, { access_token: `t${asked}`, token_type: 'bearer', expires_in: expiresIn });
    await get();
    await jest.advanceTimersByTimeAsync(usableForMs - 11);
    expect(source.get(Date.now() + 1)).toMatchObject({ ok: true });
    await jest.advanceTimersByTimeAsync(11);
    expect((await tokenOf()).secrets[0]).toBe('t2');
  });

  it('that lives a minute or less is asked for by every call', async () => {
    server.answers = (asked) => answer(200, { access_token: `t${asked}`, token_type: 'Bearer', expires_in: 60 });
    expect([(await tokenOf()).secrets[0], (await tokenOf()).secrets[0]]).toEqual(['t1', 't2']);
  });

  it('that cannot be had is asked for once a second, and meanwhile all hear the same', async () => {
    server.answers = () => answer(401, { error: 'invalid_client' });
    const failure = { ok: false, reason: 'auth_token', detail: 'invalid_client: the token server answered 401' };
    expect(await get()).toEqual(failure);
    await jest.advanceTimersByTimeAsync(980);
    expect(source.get(Date.now() + 10_000)).toEqual(failure);
    expect(server.asked).toBe(1);
    await jest.advanceTimersByTimeAsync(30);
    await get();
    expect(server.asked).toBe(2);
  });

  it('is waited for within the deadline of each call; the one that comes later serves those after', async () => {
    const [short, long] = [source.get(Date.now() + 5), source.get(Date.now() + 50)];
    await settled(null, 5);
    expect(await short).toEqual({ ok: false, reason: 'auth_token', detail: 'no access token within 5 ms' });
    expect(await settled(long)).toMatchObject({ ok: true });
    expect(source.get(Date.now() + 1)).toMatchObject({ ok: true });
    expect(server.asked).toBe(1);
  });

  it('that was refused is renewed once, however many held it', async () => {
    const token = await tokenOf();
    const [one, other] = [source.renew(token, Date.now() + 100), source.renew(token, Date.now() + 100)];
    expect(await settled(Promise.all([one, other].map(async (got) => got)))).toMatchObject([
      { token: { secrets: ['t2'] } },
      { token: { secrets: ['t2'] } },
    ]);
    expect(await renewed(token)).toMatchObject({ token: { secrets: ['t2'] } });
    expect(server.asked).toBe(2);
  });

  it('that was renewed and never worked is not renewed again for a second', async () => {
    const first = await tokenOf();
    const second = await renewed(first);
    if (second?.ok !== true) throw new Error('not renewed');
    expect(source.renew(second.token, Date.now() + 100)).toBeNull();
    await jest.advanceTimersByTimeAsync(1_000);
    expect(await renewed(second.token)).toMatchObject({ token: { secrets: ['t3'] } });
  });

  it('that was renewed and worked is renewed at once when it is refused', async () => {
    const second = await renewed(await tokenOf());
    if (second?.ok !== true) throw new Error('not renewed');
    second.token.worked = true;
    expect(await renewed(second.token)).toMatchObject({ token: { secrets: ['t3'] } });
  });
});
