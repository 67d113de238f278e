import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type RegisteredApi, sameId } from '@cf/contract';
import { CustomerEndpoint, eventually } from '@cf/testing';
import { keyRing, RunningInvoker } from './running-invoker.js';

const SECRET = 'p&ss wörd+%';
type OAuth = Extract<RegisteredApi['authorization'], { type: 'OAuth' }>;

describe('an API with OAuth client credentials', () => {
  let invoker: RunningInvoker;
  let endpoint: CustomerEndpoint;
  let orgId: string;
  /** Distinct for each spec. */
  let tokenPath: string;
  let issued: number;
  beforeAll(async () => {
    [invoker, endpoint] = await Promise.all([RunningInvoker.start(), CustomerEndpoint.start()]);
    orgId = await invoker.addOrganization();
  });
  afterAll(async () => {
    await endpoint?.close();
    await invoker?.stop();
  });
  beforeEach(() => {
    tokenPath = `/token-${randomUUID()}`;
    issued = 0;
    endpoint.answer(tokenPath, () => token({}));
  });

  const token = (more: object) => ({
    body: JSON.stringify({ access_token: `token-${++issued}`, token_type: 'Bearer', expires_in: 3_600, ...more }),
  });
  const tokenCalls = () => endpoint.callsTo(tokenPath);
  const setApi = (oauth: Partial<OAuth> = {}, api: Partial<RegisteredApi> = {}) => {
    const id = api.id ?? randomUUID();
    const authorization: OAuth = {
      type: 'OAuth',
      grantType: 'client_credentials',
      accessTokenUrl: `${endpoint.url}${tokenPath}`,
      clientId: 'the client:1',
      sealedClientSecret: keyRing.seal(SECRET, `${sameId(api.orgId ?? orgId)}:${sameId(id)}`),
      scope: '',
      sendAs: 'BasicAuthHeader',
      ...oauth,
    };
    return invoker.setApi(api.orgId ?? orgId, endpoint.url, { ...api, id, authorization });
  };
  const setFunction = async (api: RegisteredApi, refused: readonly string[] = []) => {
    const cloudFunction = await invoker.setFunction(api, { timeoutMs: 10_000 });
    endpoint.answer(`/${cloudFunction.endpointUrl}`, ({ headers }) =>
      refused.includes(headers.authorization ?? '') ? { status: 401 } : { body: `{"returnValue":"${headers.authorization}"}` },
    );
    return cloudFunction;
  };

  it('asks with the credentials in a header, form-encoded before base64', async () => {
    const { outcome, returnValue, attempts } = await invoker.run(invoker.step(await setFunction(await setApi())));
    expect([outcome, returnValue]).toEqual(['succeeded', 'Bearer token-1']);
    expect(attempts).toMatchObject([{ number: 1, httpStatus: 200, request: { headers: { authorization: '***' } } }]);
    const [call] = tokenCalls();
    expect(call).toMatchObject({
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        accept: 'application/json',
        authorization: `Basic ${Buffer.from('the+client%3A1:p%26ss+w%C3%B6rd%2B%25').toString('base64')}`,
      },
    });
    expect(call?.body.toString()).toBe('grant_type=client_credentials');
  });

  it('asks with the credentials in the body, and for a scope when there is one', async () => {
    await invoker.run(invoker.step(await setFunction(await setApi({ sendAs: 'RequestBody', scope: 'read write' }))));
    const [call] = tokenCalls();
    expect(call?.headers).not.toHaveProperty('authorization');
    expect(Object.fromEntries(new URLSearchParams(call?.body.toString()))).toEqual({
      grant_type: 'client_credentials',
      scope: 'read write',
      client_id: 'the client:1',
      client_secret: SECRET,
    });
  });

  it('asks once for 100 steps at once of a cold API, and its functions share the token', async () => {
    endpoint.answer(tokenPath, () => ({ ...token({}), delayMs: 100 }));
    const api = await setApi();
    const functions = await Promise.all(Array.from({ length: 4 }, () => setFunction(api)));
    const results = await Promise.all(functions.flatMap((one) => Array.from({ length: 25 }, () => invoker.run(invoker.step(one)))));
    expect(new Set(results.map(({ returnValue }) => returnValue))).toEqual(new Set(['Bearer token-1']));
    expect(tokenCalls()).toHaveLength(1);
  });

  it('asks once for both lanes', async () => {
    const cloudFunction = await setFunction(await setApi());
    await Promise.all([invoker.run(invoker.step(cloudFunction)), invoker.run(invoker.trigger(cloudFunction))]);
    expect(tokenCalls()).toHaveLength(1);
  });

  it('renews a token that was refused once, inside the same time; both exchanges are attempts', async () => {
    const cloudFunction = await setFunction(await setApi(), ['Bearer token-1']);
    const { outcome, returnValue, attempts } = await invoker.run(invoker.step(cloudFunction));
    expect([outcome, returnValue]).toEqual(['succeeded', 'Bearer token-2']);
    expect(attempts).toMatchObject([
      { number: 1, httpStatus: 401, failureReason: 'http_status' },
      { number: 2, httpStatus: 200, failureReason: null },
    ]);
    expect((await invoker.run(invoker.trigger(cloudFunction))).attempts).toHaveLength(1);
    expect(tokenCalls()).toHaveLength(2);
  });

  it('does not renew twice for one call, nor for every call of an endpoint that refuses every token', async () => {
    const cloudFunction = await setFunction(await setApi(), ['Bearer token-1', 'Bearer token-2', 'Bearer token-3']);
    const first = await invoker.run(invoker.step(cloudFunction));
    expect(first).toMatchObject({ failureReason: 'http_status', httpStatus: 401, attempts: [{ number: 1 }, { number: 2 }] });
    const second = await invoker.run(invoker.step(cloudFunction));
    expect(second).toMatchObject({ failureReason: 'http_status', httpStatus: 401 });
    expect(tokenCalls()).toHaveLength(2);
  });

  it('renews once when many calls are refused together', async () => {
    const cloudFunction = await setFunction(await setApi(), ['Bearer token-1']);
    const results = await Promise.all(Array.from({ length: 20 }, () => invoker.run(invoker.step(cloudFunction))));
    expect(new Set(results.map(({ returnValue }) => returnValue))).toEqual(new Set(['Bearer token-2']));
    expect(tokenCalls()).toHaveLength(2);
  });

  it('gets a new token when it was edited', async () => {
    const api = await setApi();
    const cloudFunction = await setFunction(api);
    await invoker.run(invoker.step(cloudFunction));
    await setApi({ scope: 'more' }, { id: api.id });
    await eventually(async () => {
      expect((await invoker.run(invoker.step(cloudFunction))).returnValue).toBe('Bearer token-2');
    });
    expect(tokenCalls()).toHaveLength(2);
  });

  it('fails with the error code of its token server, as an attempt, without calling the endpoint', async () => {
    endpoint.answer(tokenPath, () => ({ status: 401, body: JSON.stringify({ error: 'invalid_client', error_description: SECRET }) }));
    const cloudFunction = await setFunction(await setApi());
    const failed = {
      failureReason: 'auth_token',
      failureDetail: 'invalid_client: the token server answered 401',
      httpStatus: null,
      attempts: [{ number: 1, failureReason: 'auth_token', failureDetail: expect.stringContaining('invalid_client'), response: null }],
    };
    expect(await invoker.run(invoker.step(cloudFunction))).toMatchObject({ disposition: 'done', ...failed });
    expect(await invoker.run(invoker.trigger(cloudFunction))).toMatchObject({ disposition: 'retrying', ...failed });
    const others = await Promise.all(Array.from({ length: 30 }, () => invoker.run(invoker.step(cloudFunction))));
    for (const other of others) expect(other).toMatchObject(failed);
    expect(tokenCalls()).toHaveLength(1);
    expect(endpoint.callsTo(`/${cloudFunction.endpointUrl}`)).toEqual([]);
    expect(await invoker.metric('cf_circuit_state', { lane: 'step', state: 'open' })).toBe(0);
  });

  it('fails when its token server needs more than the time of the function', async () => {
    endpoint.answer(tokenPath, () => ({ hang: true }));
    const cloudFunction = await invoker.setFunction(await setApi(), { timeoutMs: 200 });
    const result = await invoker.run(invoker.step(cloudFunction));
    expect(result).toMatchObject({ failureReason: 'auth_token', failureDetail: expect.stringMatching(/^no access token within \d+ ms$/) });
    expect(result.attempts[0]?.durationMs).toBeGreaterThanOrEqual(190);
  });

  it('has one time for token and call', async () => {
    endpoint.answer(tokenPath, () => ({ ...token({}), delayMs: 300 }));
    const cloudFunction = await setFunction(await setApi());
    await invoker.run(invoker.step(cloudFunction));
    const [call] = endpoint.callsTo(`/${cloudFunction.endpointUrl}`);
    expect(Number(call?.headers['x-cloud-function-budget-ms'])).toBeLessThanOrEqual(9_710);
  });

  it('whose token URL has a blocked address is blocked', async () => {
    const cloudFunction = await setFunction(await setApi({ accessTokenUrl: 'https://169.254.169.254/latest/api/token' }));
    expect(await invoker.run(invoker.trigger(cloudFunction))).toMatchObject({
      disposition: 'done',
      failureReason: 'blocked_address',
      attempts: [{ failureReason: 'blocked_address' }],
    });
  });

  it('shows its token nowhere, also when the endpoint sends it back', async () => {
    const cloudFunction = await setFunction(await setApi());
    const { attempts } = await invoker.run(invoker.step(cloudFunction));
    expect(attempts[0]?.response?.body).toBe('{"returnValue":"Bearer ***"}');
    expect(JSON.stringify(attempts)).not.toMatch(/token-1|p&ss/);
  });

  it('shares no token with an organization that has the same names, ids of clients and hosts', async () => {
    const other = await invoker.addOrganization();
    endpoint.answer(tokenPath, ({ connection }) => token({ access_token: `connection-${connection}` }));
    const results = [];
    for (const org of [orgId, other, orgId, other]) {
      results.push(await invoker.run(invoker.step(await setFunction(await setApi({}, { orgId: org })))));
    }
    const [a, b, c, d] = results.map(({ returnValue }) => returnValue);
    expect([a === c, b === d, a === b]).toEqual([true, true, false]);
    expect(tokenCalls()).toHaveLength(4);
  });
});
