import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type RegisteredApi, sameId, stepExecutionBody, stepRequests } from '@cf/contract';
import { type CustomerCall, CustomerEndpoint } from '@cf/testing';
import { Webhook } from 'standardwebhooks';
import { medchatSignature } from '../src/signing/medchat-signature.js';
import { keyRing, RunningInvoker } from './running-invoker.js';

describe('what the endpoint of a customer sees', () => {
  let invoker: RunningInvoker;
  let endpoint: CustomerEndpoint;
  let orgId: string;
  beforeAll(async () => {
    [invoker, endpoint] = await Promise.all([RunningInvoker.start(), CustomerEndpoint.start()]);
    orgId = await invoker.addOrganization();
  });
  afterAll(async () => {
    await endpoint?.close();
    await invoker?.stop();
  });

  const seal = (text: string, apiId: string): string => keyRing.seal(text, `${sameId(orgId)}:${sameId(apiId)}`);
  const callOf = async (api: Partial<RegisteredApi>, endpointUrl = 'call', path = '') => {
    const cloudFunction = await invoker.setFunction(await invoker.setApi(orgId, `${endpoint.url}${path}`, api), { endpointUrl });
    const request = invoker.step(cloudFunction, { body: stepExecutionBody(stepRequests.example) });
    const before = endpoint.calls.length;
    const result = await invoker.run(request);
    expect(result.outcome).toBe('succeeded');
    return { request, result, call: endpoint.calls[before] as CustomerCall, attempt: result.attempts[0] };
  };
  const apiId = 'b1b2a3d4-0000-4000-8000-00000000aaaa';

  it('is a POST with exactly these headers and the body as it is', async () => {
    const { request, call } = await callOf({});
    expect(call.method).toBe('POST');
    const { host, 'content-length': length, connection, ...headers } = call.headers;
    expect(headers).toEqual({
      'content-type': 'application/json; charset=utf-8',
      'user-agent': expect.stringMatching(/^Cloud-Functions\/\d+\.\d+\.\d+$/),
      accept: 'application/json',
      'x-cloud-function-invocation-id': request.invocationId,
      'x-cloud-function-attempt': '1',
      'x-cloud-function-budget-ms': expect.stringMatching(/^\d+$/),
      traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/),
    });
    expect(host).toBe(new URL(endpoint.url).host);
    expect(Number(length)).toBe(call.body.length);
    expect(connection).toBe('keep-alive');
    expect(Number(headers['x-cloud-function-budget-ms'])).toBeLessThanOrEqual(10_000);
    expect(Number(headers['x-cloud-function-budget-ms'])).toBeGreaterThan(9_000);
    expect(call.body.toString()).toBe(request.body);
    expect(Object.keys(JSON.parse(call.body.toString()))).toEqual([
      'type',
      'orgId',
      'chatId',
      'executionId',
      'chatBotId',
      'chatBotName',
      'chatBotType',
      'stepName',
      'stepId',
      'timestamp',
    ]);
  });

  it('is an event byte for byte', async () => {
    const cloudFunction = await invoker.setFunction(await invoker.setApi(orgId, endpoint.url));
    const body = '{ "type" : "ChatOpened", "big":12345678901234567890,\n"e":"\\u00e9é😀", "a":1.0 }';
    const result = await invoker.run(invoker.trigger(cloudFunction, { body, attempt: 3, seq: 4 }));
    const [call] = endpoint.callsTo(`/${cloudFunction.endpointUrl}`);
    expect(call?.body.toString()).toBe(body);
    expect(call?.headers['x-cloud-function-attempt']).toBe('3');
    expect(result.attempts[0]?.number).toBe(3);
  });

  it.each([
    ['', 'a/b', '/a/b'],
    ['/', 'a/b', '/a/b'],
    ['/base', 'a', '/base/a'],
    ['/base/', '/a', '/base/a'],
    ['/base', 'a?x=1&y=%20', '/base/a?x=1&y=%20'],
  ])('goes to base %j and endpoint %j at %j', async (path, endpointUrl, expected) => {
    expect((await callOf({}, endpointUrl, path)).call.url).toBe(expected);
  });

  it('carries the headers of the Registered API, the secret ones masked in the record', async () => {
    const { call, attempt } = await callOf({
      id: apiId,
      headers: [
        { name: 'X-Plain', secret: false, value: 'plain' },
        { name: 'X-Secret', secret: true, sealedValue: seal('s3cret-value', apiId) },
        { name: 'Accept', secret: false, value: 'application/vnd.custom+json' },
      ],
    });
    expect(call.headers).toMatchObject({ 'x-plain': 'plain', 'x-secret': 's3cret-value', accept: 'application/vnd.custom+json' });
    expect(attempt?.request.headers).toMatchObject({ 'x-plain': 'plain', 'x-secret': '***', 'x-cloud-function-attempt': '1' });
  });

  it.each<[string, () => RegisteredApi['authorization'], string, string]>([
    [
      'an API key',
      () => ({ type: 'ApiKey', keyName: 'X-Api-Key', sealedKeyValue: seal('k3y-value', apiId), addTo: 'Header' }),
      'x-api-key',
      'k3y-value',
    ],
    [
      'Basic',
      () => ({ type: 'Basic', username: 'ürsula', sealedPassword: seal('pass:wörd', apiId) }),
      'authorization',
      'Basic w7xyc3VsYTpwYXNzOnfDtnJk',
    ],
    ['a bearer token', () => ({ type: 'BearerToken', sealedToken: seal('t0ken-value', apiId) }), 'authorization', 'Bearer t0ken-value'],
  ])('carries %s, masked in the record', async (_name, authorization, header, value) => {
    const { call, attempt, result } = await callOf({ id: apiId, authorization: authorization() });
    expect(call.headers[header]).toBe(value);
    expect(attempt?.request.headers[header]).toBe('***');
    expect(JSON.stringify(result)).not.toContain(value.split(' ').at(-1));
  });

  it.each([
    ['call', '/call?k%20y=a%26b%3D%2B'],
    ['call?x=1', '/call?x=1&k%20y=a%26b%3D%2B'],
    ['call?', '/call?k%20y=a%26b%3D%2B'],
    ['call?x=a+b&x=%2F', '/call?x=a+b&x=%2F&k%20y=a%26b%3D%2B'],
  ])('carries an API key in the query of %s without disturbing the rest', async (endpointUrl, expected) => {
    const { call, result } = await callOf(
      { id: apiId, authorization: { type: 'ApiKey', keyName: 'k y', sealedKeyValue: seal('a&b=+', apiId), addTo: 'QueryParams' } },
      endpointUrl,
    );
    expect(call.url).toBe(expected);
    expect(JSON.stringify(result)).not.toMatch(/a&b=\+|a%26b/);
  });

  it('a secret that the endpoint sends back is not on record either', async () => {
    const api = await invoker.setApi(orgId, endpoint.url, {
      id: apiId,
      authorization: { type: 'BearerToken', sealedToken: seal('echoed-t0ken', apiId) },
    });
    const cloudFunction = await invoker.setFunction(api);
    endpoint.answer(`/${cloudFunction.endpointUrl}`, ({ headers }) => ({
      headers: { 'x-echo': String(headers.authorization), 'set-cookie': 'session=1' },
      body: JSON.stringify({ headers }),
    }));
    const result = await invoker.run(invoker.step(cloudFunction));
    expect(JSON.stringify(result)).not.toContain('echoed-t0ken');
    expect(result.attempts[0]?.response).toMatchObject({ headers: { 'x-echo': 'Bearer ***', 'set-cookie': '***' }, truncated: false });
  });

  it('a change of the Registered API acts on the next call', async () => {
    const api = await invoker.setApi(orgId, endpoint.url, { headers: [{ name: 'x-version', secret: false, value: '1' }] });
    const cloudFunction = await invoker.setFunction(api);
    await invoker.run(invoker.step(cloudFunction));
    await invoker.setApi(orgId, endpoint.url, { ...api, headers: [{ name: 'x-version', secret: false, value: '2' }] });
    const [end] = await invoker.log.endOffsets('registry.changes');
    await invoker.run(invoker.step(cloudFunction, { configOffset: end ?? null }));
    expect(endpoint.callsTo(`/${cloudFunction.endpointUrl}`).map(({ headers }) => headers['x-version'])).toEqual(['1', '2']);
  });

  it('a secret that cannot be opened is an internal failure and no call', async () => {
    const api = await invoker.setApi(orgId, endpoint.url, { authorization: { type: 'BearerToken', sealedToken: seal('x', orgId) } });
    const result = await invoker.run(invoker.step(await invoker.setFunction(api)));
    expect(result).toMatchObject({ outcome: 'failed', failureReason: 'internal', attempts: [] });
  });

  it('8 KiB of an answer are kept, cut between characters, and the cut is marked', async () => {
    const cloudFunction = await invoker.setFunction(await invoker.setApi(orgId, endpoint.url));
    endpoint.answer(`/${cloudFunction.endpointUrl}`, () => ({ headers: { 'x-kept': 'yes' }, body: `x${'é'.repeat(6_000)}` }));
    const response = (await invoker.run(invoker.trigger(cloudFunction))).attempts[0]?.response;
    expect(response?.truncated).toBe(true);
    expect(Buffer.byteLength(response?.body ?? '')).toBe(8 * 1024 - 1);
    expect(response?.body.endsWith('é')).toBe(true);
    expect(response?.headers['x-kept']).toBe('yes');
  });

  describe('signed', () => {
    const secret = 'dGhpcy1pcy1hLXRlc3Qtc2VjcmV0LTMyLWJ5dGVzISE=';
    const signedCall = async (scheme: 'medchat' | 'standard-webhooks') => {
      const id = randomUUID();
      const sealedSecret = keyRing.seal(secret, `${sameId(orgId)}:${id}`);
      const authorization = { type: 'ApiKey', keyName: 'key', sealedKeyValue: seal('the key', apiId), addTo: 'QueryParams' } as const;
      const headers = [
        { name: 'Date', secret: false, value: 'yesterday' },
        { name: 'Webhook-Signature', secret: false, value: 'mine' },
      ] as const;
      const api = await invoker.setApi(orgId, endpoint.url, { id: apiId, authorization, headers: [...headers] });
      const signing = { enabled: true, scheme, sealedSecret, previous: null };
      const cloudFunction = await invoker.setFunction(api, { id, signing });
      endpoint.answer(`/${cloudFunction.endpointUrl}`, ({ headers: got }) => ({ status: 200, body: JSON.stringify(got) }));
      const result = await invoker.run(invoker.trigger(cloudFunction, { body: '{"é":1}' }));
      return { call: endpoint.callsTo(`/${cloudFunction.endpointUrl}`)[0] as CustomerCall, attempt: result.attempts[0] };
    };

    it('as webhooks of the chat platform are: path and query as sent, the date, the body', async () => {
      const { call, attempt } = await signedCall('medchat');
      expect(call.url).toContain('?key=the%20key');
      expect(call.rawHeaders.filter((name) => name.toLowerCase() === 'date')).toHaveLength(1);
      const atMs = Date.parse(call.headers.date ?? '');
      const signature = String(call.headers['x-medchat-signature-sha256']);
      expect(signature).toBe(medchatSignature(secret, { path: call.url, body: call.body.toString(), atMs }));
      expect(attempt?.request.headers).toMatchObject({
        date: call.headers.date,
        'x-medchat-signature-sha256': `${signature.slice(0, 8)}***`,
        'webhook-signature': 'mine',
      });
      expect(attempt?.response?.body).toContain('x-medchat-signature-sha256');
      expect(attempt?.response?.body).not.toContain(signature);
    });

    it('as Standard Webhooks are, each attempt anew', async () => {
      const { call, attempt } = await signedCall('standard-webhooks');
      const headers = call.headers as Record<string, string>;
      expect(new Webhook(secret).verify(call.body.toString(), headers)).toEqual({ é: 1 });
      expect(headers['webhook-id']).toBe(headers['x-cloud-function-invocation-id']);
      expect(headers.date).toBe('yesterday');
      expect(JSON.stringify(attempt)).not.toContain(headers['webhook-signature']?.slice(3));
    });
  });
});
