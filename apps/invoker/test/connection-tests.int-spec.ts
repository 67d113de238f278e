import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { plainTls, type RegisteredApi, sameId } from '@cf/contract';
import { CustomerEndpoint, eventually, testAuthority } from '@cf/testing';
import { keyRing, RunningInvoker } from './running-invoker.js';

describe('a connection test', () => {
  let invoker: RunningInvoker;
  let endpoint: CustomerEndpoint;
  let secure: CustomerEndpoint;
  let orgId: string;
  let token: string;
  beforeAll(async () => {
    [invoker, endpoint, secure] = await Promise.all([
      RunningInvoker.start(),
      CustomerEndpoint.start(),
      CustomerEndpoint.start({ tls: { key: testAuthority.key, cert: testAuthority.server } }),
    ]);
    orgId = await invoker.addOrganization();
    token = await invoker.addToken(orgId, ['registered-apis:write']);
  });
  afterAll(async () => {
    await Promise.all([endpoint?.close(), secure?.close()]);
    await invoker?.stop();
  });

  const request = (api: Pick<RegisteredApi, 'id'>, as = token, org = orgId) =>
    invoker.post(`/v1/orgs/${org}/registered-apis/${api.id}/connection-tests`, as);
  const test = async (api: RegisteredApi) => {
    const answer = await request(api);
    expect(answer.status).toBe(200);
    return (await answer.json()) as { ok: boolean; steps: { name: string; ok: boolean; durationMs: number; detail: string | null }[] };
  };
  const withOAuth = (url: string, path: string) => {
    const id = randomUUID();
    return invoker.setApi(orgId, url, {
      id,
      authorization: {
        type: 'OAuth',
        grantType: 'client_credentials',
        accessTokenUrl: path,
        clientId: 'id',
        sealedClientSecret: keyRing.seal('s3cret', `${sameId(orgId)}:${sameId(id)}`),
        scope: '',
        sendAs: 'RequestBody',
      },
    });
  };

  it('tells each step of a connection that works, and sends nothing on it', async () => {
    const before = secure.connections;
    const result = await test(await invoker.setApi(orgId, secure.url, { tls: { ...plainTls, caBundle: testAuthority.authority } }));
    expect(result).toEqual({
      ok: true,
      steps: [
        { name: 'address', ok: true, durationMs: expect.any(Number), detail: null },
        { name: 'connect', ok: true, durationMs: expect.any(Number), detail: null },
        { name: 'tls', ok: true, durationMs: expect.any(Number), detail: 'TLSv1.3' },
      ],
    });
    expect(secure.connections).toBe(before + 1);
    expect(secure.calls).toEqual([]);
  });

  it('has no TLS with plain http', async () => {
    const { ok, steps } = await test(await invoker.setApi(orgId, endpoint.url));
    expect([ok, steps.map(({ name }) => name)]).toEqual([true, ['address', 'connect']]);
  });

  it.each([
    ['https://169.254.169.254', 'address', 'address not allowed'],
    ['https://[fd00::1]', 'address', 'address not allowed'],
    ['https://nobody.invalid', 'address', expect.stringMatching(/^E[A-Z]+$/)],
    ['http://127.0.0.1:9', 'connect', 'ECONNREFUSED'],
  ])('of %s ends with the step %s: %s', async (url, name, detail) => {
    const { ok, steps } = await test(await invoker.setApi(orgId, url));
    expect([ok, steps.at(-1)]).toMatchObject([false, { name, ok: false, detail }]);
  });

  it('tells what is wrong with a certificate', async () => {
    const { steps } = await test(await invoker.setApi(orgId, secure.url));
    expect(steps.at(-1)).toMatchObject({ name: 'tls', ok: false, detail: expect.stringContaining('certificate of an unknown issuer') });
  });

  it('asks for a token each time and shows neither it nor the secret', async () => {
    endpoint.answer('/token', () => ({ body: '{"access_token":"t0ken","token_type":"bearer","expires_in":3600}' }));
    const api = await withOAuth(endpoint.url, `${endpoint.url}/token`);
    const results = [await test(api), await test(api)];
    for (const { ok, steps } of results)
      expect([ok, steps.at(-1)]).toMatchObject([true, { name: 'token', ok: true, detail: 'a Bearer token, used for 3540 s' }]);
    expect(endpoint.callsTo('/token')).toHaveLength(2);
    expect(JSON.stringify(results)).not.toMatch(/t0ken|s3cret/);
  });

  it('tells the error of a token server, also when the endpoint itself is away', async () => {
    endpoint.answer('/refusing', () => ({ status: 400, body: '{"error":"invalid_client","error_description":"s3cret"}' }));
    const { ok, steps } = await test(await withOAuth('http://127.0.0.1:9', `${endpoint.url}/refusing`));
    expect(ok).toBe(false);
    expect(steps.map(({ name, detail }) => [name, detail])).toEqual([
      ['address', null],
      ['connect', 'ECONNREFUSED'],
      ['token', 'invalid_client: the token server answered 400'],
    ]);
    const blocked = await test(await withOAuth(endpoint.url, 'https://10.0.0.1/token'));
    expect(blocked.steps.at(-1)).toMatchObject({ name: 'token', ok: false, detail: 'address not allowed' });
  });

  it('needs the scope, and is nothing to other organizations', async () => {
    const api = await invoker.setApi(orgId, endpoint.url);
    const other = await invoker.addOrganization();
    const others = await invoker.addToken(other, ['registered-apis:write']);
    const reader = await invoker.addToken(orgId, ['registered-apis:read']);
    const statuses = [
      await request(api, reader),
      await request(api, others),
      await request(api, others, other),
      await request({ id: randomUUID() }),
      await request({ id: 'x' }),
      await request(api, 'nobody'),
    ].map(({ status }) => status);
    expect(statuses).toEqual([403, 404, 404, 404, 404, 401]);
  });

  it('runs three at once for an organization, and the next one may come again', async () => {
    let free = (): void => undefined;
    const held = new Promise<void>((resolve) => (free = resolve));
    endpoint.answer('/slow', async () => {
      await held;
      return {};
    });
    const api = await withOAuth(endpoint.url, `${endpoint.url}/slow`);
    const running = [request(api), request(api), request(api)];
    await eventually(() => expect(endpoint.callsTo('/slow')).toHaveLength(3));
    const refused = await request(api);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
    free();
    expect((await Promise.all(running)).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await request(api)).status).toBe(200);
  });
});
