import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { InvocationResult, RegisteredApi } from '@cf/contract';
import { type CustomerAnswer, CustomerEndpoint } from '@cf/testing';
import { RunningInvoker } from './running-invoker.js';

describe('the outcome of a step', () => {
  let invoker: RunningInvoker;
  let endpoint: CustomerEndpoint;
  let orgId: string;
  let api: RegisteredApi;
  beforeAll(async () => {
    [invoker, endpoint] = await Promise.all([RunningInvoker.start(), CustomerEndpoint.start()]);
    orgId = await invoker.addOrganization();
    api = await invoker.setApi(orgId, endpoint.url);
  });
  afterAll(async () => {
    await endpoint?.close();
    await invoker?.stop();
  });

  const answering = async (answer: CustomerAnswer, timeoutMs = 10_000): Promise<InvocationResult> => {
    const cloudFunction = await invoker.setFunction(api, { timeoutMs });
    endpoint.answer(`/${cloudFunction.endpointUrl}`, () => answer);
    return invoker.run(invoker.step(cloudFunction));
  };
  const at = async (baseUrl: string): Promise<InvocationResult> =>
    invoker.run(invoker.step(await invoker.setFunction(await invoker.setApi(orgId, baseUrl))));

  const succeeded = (returnValue: string | null, warning: string | null = null, httpStatus = 200) => ({
    disposition: 'done',
    outcome: 'succeeded',
    failureReason: null,
    httpStatus,
    returnValue,
    warning,
    dueAt: null,
    attempts: [{ number: 1, origin: 'automatic', httpStatus, failureReason: null }],
  });
  const failed = (failureReason: string, httpStatus: number | null = null) => ({
    disposition: 'done',
    outcome: 'failed',
    failureReason,
    httpStatus,
    returnValue: null,
    warning: null,
    dueAt: null,
  });
  const json = (value: unknown): CustomerAnswer => ({ body: JSON.stringify(value) });

  it.each<[string, CustomerAnswer, object]>([
    ['a value', json({ returnValue: 'Scheduled' }), succeeded('Scheduled')],
    ['a value with any 2xx', { status: 201, body: '{"returnValue":"Scheduled"}' }, succeeded('Scheduled', null, 201)],
    ['a value in any content type', { headers: { 'content-type': 'text/html' }, body: '{"returnValue":"x"}' }, succeeded('x')],
    ['a value untrimmed', json({ returnValue: ' x ' }), succeeded(' x ')],
    ['a value behind a byte order mark', { body: '\ufeff{"returnValue":"x"}' }, succeeded('x')],
    ['a value said twice', { body: '{"returnValue":"a","returnValue":"b"}' }, succeeded('b')],
    ['a value in gzip', { headers: { 'content-encoding': 'gzip' }, body: gzipSync('{"returnValue":"x"}') }, succeeded('x')],
    ['the longest value', json({ returnValue: 'x'.repeat(4_096) }), succeeded('x'.repeat(4_096))],
    ['an empty body', {}, succeeded(null)],
    ['204', { status: 204 }, succeeded(null, null, 204)],
    ['no value', json({ other: 1 }), succeeded(null)],
    ['null', json({ returnValue: null }), succeeded(null)],
    ['an empty string', json({ returnValue: '' }), succeeded(null)],
    ['an empty body that claims an encoding', { headers: { 'content-encoding': 'zstd' } }, succeeded(null)],
    ['no JSON', { body: 'Scheduled' }, succeeded(null, 'not_json')],
    ['invalid UTF-8', { body: Buffer.from('7b2272657475726e56616c7565223a22ff227d', 'hex') }, succeeded(null, 'not_json')],
    ['a list', json(['x']), succeeded(null, 'not_an_object')],
    ['JSON null', { body: 'null' }, succeeded(null, 'not_an_object')],
    ['a number', json({ returnValue: 1 }), succeeded(null, 'return_value_not_string')],
    ['a value that is too long', json({ returnValue: 'x'.repeat(4_097) }), succeeded(null, 'return_value_too_long')],
    ['an unknown encoding', { headers: { 'content-encoding': 'zstd' }, body: 'x' }, succeeded(null, 'unknown_encoding')],
    [
      'a nested encoding',
      { headers: { 'content-encoding': 'gzip, gzip' }, body: gzipSync(gzipSync('{}')) },
      succeeded(null, 'unknown_encoding'),
    ],
    ['an encoding that it is not in', { headers: { 'content-encoding': 'gzip' }, body: '{}' }, succeeded(null, 'undecodable')],
    ['a redirect', { status: 301, headers: { location: '/elsewhere' } }, failed('http_status', 301)],
    ['304', { status: 304 }, failed('http_status', 304)],
    ['400 with a value', { status: 400, body: '{"returnValue":"x"}' }, failed('http_status', 400)],
    ['429', { status: 429, headers: { 'retry-after': '1' } }, failed('http_status', 429)],
    ['500', { status: 500 }, failed('http_status', 500)],
    ['64 KiB and a byte', { body: 'x'.repeat(64 * 1024 + 1) }, failed('response_too_large', 200)],
    ['500 with a large body', { status: 500, body: 'x'.repeat(64 * 1024 + 1) }, failed('http_status', 500)],
    ['a bomb', { headers: { 'content-encoding': 'gzip' }, body: gzipSync(Buffer.alloc(10_000_000)) }, failed('response_too_large', 200)],
    ['large headers', { headers: { 'x-large': 'x'.repeat(65 * 1024) } }, failed('response_too_large')],
    ['a broken frame', { raw: 'nonsense\r\n\r\n', drop: true }, failed('connection')],
    ['an early end', { raw: 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}', drop: true }, failed('connection', 200)],
    ['a cut connection', { drop: true }, failed('connection')],
  ])('%s', async (_name, answer, expected) => {
    const result = await answering(answer);
    expect(result).toMatchObject(expected);
    expect(result.attempts).toHaveLength(1);
  });

  it('an endpoint that hangs ends at its timeout', async () => {
    const result = await answering({ hang: true }, 1_000);
    expect(result).toMatchObject(failed('timeout'));
    expect(result.attempts[0]?.durationMs).toBeGreaterThanOrEqual(998);
    expect(result.attempts[0]?.durationMs).toBeLessThan(1_400);
  });

  it('a connection that is refused is tried once more, and both are attempts', async () => {
    const result = await at('http://127.0.0.1:9');
    expect(result).toMatchObject({ ...failed('connection'), failureDetail: 'ECONNREFUSED' });
    expect(result.attempts.map(({ number, failureReason, response }) => [number, failureReason, response])).toEqual([
      [1, 'connection', null],
      [2, 'connection', null],
    ]);
    expect(result.attempts[0]?.attemptId).not.toBe(result.attempts[1]?.attemptId);
  });

  it('a name that does not resolve', async () => {
    expect(await at('http://nobody.invalid')).toMatchObject({ ...failed('dns'), attempts: [{ number: 1 }] });
  });

  it('TLS where there is none', async () => {
    expect(await at(endpoint.url.replace('http:', 'https:'))).toMatchObject(failed('tls'));
  });

  it.each(['http://10.0.0.1', 'https://169.254.169.254', 'http://[::ffff:10.0.0.1]', 'http://0x0a.1'])(
    'an address that is not public: %s',
    async (url) => {
      expect(await at(url)).toMatchObject(failed('blocked_address'));
    },
  );

  it('a base URL that the function does not join any more', async () => {
    expect(await at('http://user:password@127.0.0.1')).toMatchObject({ ...failed('invalid_request'), attempts: [] });
  });

  describe('without a call', () => {
    const uncalled = (reason: string) => ({ ...failed(reason), attempts: [] });

    it('a function that is disabled', async () => {
      expect(await invoker.run(invoker.step(await invoker.setFunction(api, { enabled: false })))).toMatchObject(
        uncalled('function_disabled'),
      );
    });

    it('a function that nobody knows', async () => {
      expect(await invoker.run(invoker.step({ id: api.id, orgId }))).toMatchObject(uncalled('function_unknown'));
    });

    it('a function of another organization', async () => {
      const other = await invoker.addOrganization();
      const { id } = await invoker.setFunction(api);
      expect(await invoker.run(invoker.step({ id, orgId: other }))).toMatchObject(uncalled('function_unknown'));
    });

    it('a function without its Registered API', async () => {
      const { id } = await invoker.setFunction({ ...api, id: orgId });
      expect(await invoker.run(invoker.step({ id, orgId }))).toMatchObject(uncalled('function_unknown'));
    });

    it('an organization without the feature, and one that is unknown', async () => {
      const off = await invoker.addOrganization(false);
      const cloudFunction = await invoker.setFunction(await invoker.setApi(off, endpoint.url));
      expect(await invoker.run(invoker.step(cloudFunction))).toMatchObject(uncalled('feature_disabled'));
      expect(await invoker.run(invoker.step({ id: cloudFunction.id, orgId: cloudFunction.id }))).toMatchObject(
        uncalled('feature_disabled'),
      );
    });

    it('a request that comes within half a second of its deadline', async () => {
      const request = invoker.step(await invoker.setFunction(api), { deadline: new Date(Date.now() + 400).toISOString() });
      expect(await invoker.run(request)).toMatchObject(uncalled('deadline_exceeded'));
    });
  });

  it('the deadline cuts a call off half a second before it, whatever the timeout of the function is', async () => {
    const cloudFunction = await invoker.setFunction(api, { timeoutMs: 30_000 });
    endpoint.answer(`/${cloudFunction.endpointUrl}`, () => ({ hang: true }));
    const deadline = Date.now() + 1_500;
    const result = await invoker.run(invoker.step(cloudFunction, { deadline: new Date(deadline).toISOString() }));
    expect(result).toMatchObject(failed('timeout'));
    expect(Date.parse(result.completedAt)).toBeLessThan(deadline - 200);
  });

  it('a result lies on the partition number of its request', async () => {
    const cloudFunction = await invoker.setFunction(api);
    const requests = [0, 1, 2, 3].map((partition) => ({ partition, request: invoker.step(cloudFunction) }));
    for (const { request, partition } of requests) await invoker.send(request, partition);
    for (const { request, partition } of requests) {
      await invoker.resultOf(request);
      const received = invoker.stepResults.find(({ result }) => result.request.invocationId === request.invocationId);
      expect(received?.partition).toBe(partition);
    }
  });

  it('a function that was registered a moment ago is waited for', async () => {
    const { id, orgId: org } = { id: 'ffffffff-0000-4000-8000-00000000000f', orgId };
    const request = invoker.step({ id, orgId: org });
    await Promise.all([invoker.setFunction(api, { id }), invoker.send(request)]);
    expect(await invoker.resultOf(request)).toMatchObject({ outcome: 'succeeded' });
  });
});
