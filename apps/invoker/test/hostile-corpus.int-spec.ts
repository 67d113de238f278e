import { randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type CloudFunction, type InvocationResult, type RegisteredApi, sameId } from '@cf/contract';
import { eventually, TestDns } from '@cf/testing';
import { Invoker } from '../src/invoke.js';
import { addressCases } from './hostile/addresses.js';
import { bodyCases } from './hostile/bodies.js';
import { recordDials } from './hostile/dialled-addresses.js';
import { framingCases } from './hostile/framing.js';
import type { HostileCase } from './hostile/hostile-case.js';
import { HostileServer } from './hostile/hostile-server.js';
import { jsonCases } from './hostile/json.js';
import { nameCases } from './hostile/names.js';
import { redirectCases } from './hostile/redirects.js';
import { timingCases } from './hostile/timing.js';
import { tokenCases } from './hostile/tokens.js';
import { keyRing, RunningInvoker } from './running-invoker.js';

const topics = {
  addresses: addressCases,
  names: nameCases,
  redirects: redirectCases,
  framing: framingCases,
  bodies: bodyCases,
  JSON: jsonCases,
  timing: timingCases,
  'token servers': tokenCases,
};
const corpus = Object.values(topics).flat();

const HOSTILE_HOST = '127.0.0.2';
const DECOY_HOSTS = ['127.0.0.1', '127.0.0.3', '::1'];
const ROUNDS_BEFORE = 1;
const ROUNDS_MEASURED = 3;
/** What three rounds of the corpus, some 1,100 calls with bombs of 20 MB among them, may leave behind: nothing but noise. */
const HEAP_GROWTH_MAX = 8 * 1024 * 1024;
const RSS_GROWTH_MAX = 96 * 1024 * 1024;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Each case has an organization, and so connections, of its own. */
describe(`a corpus of ${corpus.length} hostile targets and answers`, () => {
  let invoker: RunningInvoker;
  let dns: TestDns;
  let dials: ReturnType<typeof recordDials>;
  const server = new HostileServer(corpus);
  const functions: CloudFunction[] = [];
  const results = new Map<HostileCase, InvocationResult>();
  let direct: (cloudFunction: CloudFunction) => Promise<InvocationResult>;

  const authorizationOf = ({ token }: HostileCase, index: number, orgId: string, apiId: string): RegisteredApi['authorization'] =>
    token === undefined
      ? { type: 'None' }
      : {
          type: 'OAuth',
          grantType: 'client_credentials',
          accessTokenUrl:
            'url' in token ? token.url.replace('{port}', String(server.port)) : `http://${HOSTILE_HOST}:${server.port}/${index}/token`,
          clientId: 'id',
          sealedClientSecret: keyRing.seal('s3cret', `${sameId(orgId)}:${sameId(apiId)}`),
          scope: '',
          sendAs: 'RequestBody',
        };

  const register = async (hostile: HostileCase, index: number): Promise<CloudFunction> => {
    const base = (hostile.baseUrl ?? `http://${HOSTILE_HOST}:{port}`).replace('{port}', String(server.port));
    if (hostile.dns !== undefined) dns.set(new URL(base).hostname.replace(/\.$/, ''), hostile.dns);
    const orgId = await invoker.addOrganization();
    const id = randomUUID();
    const api = await invoker.setApi(orgId, `${base}/${index}`, { id, authorization: authorizationOf(hostile, index, orgId, id) });
    return invoker.setFunction(api, { endpointUrl: hostile.endpointUrl ?? 'call', timeoutMs: hostile.timeoutMs ?? 15_000 });
  };

  beforeAll(async () => {
    dns = await TestDns.start();
    await server.start(HOSTILE_HOST, DECOY_HOSTS);
    process.env.INVOKER_DNS_SERVERS = dns.address;
    process.env.INVOKER_LANES = 'step';
    invoker = await RunningInvoker.create({ ALLOWED_ADDRESSES: '127.0.0.2/31', DENIED_ADDRESSES: '127.0.0.3/32', ALLOW_HTTP: 'true' });
    const { app } = await invoker.startProcess();
    const inside = app.get(Invoker, { strict: false });
    direct = (cloudFunction) => inside.invoke(invoker.step(cloudFunction), { traceparent: '', atMs: Date.now() });
    functions.push(...(await Promise.all(corpus.map(register))));
    dials = recordDials();
    await Promise.all(
      corpus.map(async (hostile, index) => results.set(hostile, await invoker.run(invoker.step(functions[index]!), 45_000))),
    );
  });
  afterAll(async () => {
    dials?.stop();
    await invoker?.stop();
    await Promise.all([server.close(), dns?.close()]);
    delete process.env.INVOKER_DNS_SERVERS;
    delete process.env.INVOKER_LANES;
  });

  describe.each(Object.entries(topics))('%s', (_topic, cases) => {
    it.each(cases.map((hostile) => [hostile.name, hostile] as const))('%s', (_name, hostile) => {
      const { outcome, failureReason, failureDetail, httpStatus, returnValue, warning } = results.get(hostile)!;
      const got = { outcome, failureReason, returnValue, warning };
      const { expected } = hostile;
      if ('failed' in expected) {
        expect(got).toEqual({ outcome: 'failed', failureReason: expected.failed, returnValue: null, warning: null });
        if (expected.status !== undefined) expect(httpStatus).toBe(expected.status);
        if (expected.detail !== undefined) expect(failureDetail).toMatch(expected.detail);
        return;
      }
      const [value, warned] = 'warning' in expected ? [null, expected.warning] : [expected.value, null];
      expect(got).toEqual({ outcome: 'succeeded', failureReason: null, returnValue: value, warning: warned });
      if ('status' in expected && expected.status !== undefined) expect(httpStatus).toBe(expected.status);
    });
  });

  it('has at least 200 cases', () => expect(corpus.length).toBeGreaterThanOrEqual(200));

  it('never made the process dial a refused address, and nobody came to the decoys', () => {
    expect(new Set(dials.addresses)).toEqual(new Set([HOSTILE_HOST]));
    expect(server.decoyConnections).toBe(0);
  });

  it('told operators which rules refused', async () => {
    for (const rule of ['loopback', 'private', 'link_local', 'denied_by_operator', 'embedded_ipv4', 'cloud_platform', 'not_global_unicast'])
      expect(await invoker.metric('cf_addresses_refused_total', { rule })).toBeGreaterThan(0);
  });

  it('leaves the memory flat', async () => {
    const round = () => Promise.all(functions.map(direct));
    const settledHeap = async (): Promise<NodeJS.MemoryUsage> => {
      await new Promise((resolve) => setImmediate(resolve));
      collectGarbage();
      return process.memoryUsage();
    };
    for (let count = 0; count < ROUNDS_BEFORE; count++) await round();
    const before = await settledHeap();
    for (let count = 0; count < ROUNDS_MEASURED; count++) await round();
    await eventually(async () => {
      const after = await settledHeap();
      expect(after.heapUsed - before.heapUsed).toBeLessThan(HEAP_GROWTH_MAX);
      expect(after.rss - before.rss).toBeLessThan(RSS_GROWTH_MAX);
    });
  });
});
