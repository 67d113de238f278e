/** The admin API: reads and writes a second with their latencies, at 32 at once, of a registry as a process on Kafka and Postgres. */
import { Pool } from 'undici';
import { Candidate } from './candidate.ts';
import { quantile, round } from './figures.ts';
import { serviceEnv } from './registry-fixture.ts';

const AT_ONCE = 32;
const SECONDS = { warm: 3, measured: 10 } as const;

export interface ApiOptions {
  readonly brokers: string;
  readonly databaseUrl: string;
  readonly dataDir: string;
}

type Ask = (method: 'GET' | 'POST', path: string, body?: object) => Promise<{ id: string; token: string }>;

const drive = async (ask: () => Promise<unknown>): Promise<object> => {
  const latencies: number[] = [];
  const measureFrom = performance.now() + SECONDS.warm * 1_000;
  const until = measureFrom + SECONDS.measured * 1_000;
  const one = async (): Promise<void> => {
    for (let at = performance.now(); at < until; at = performance.now()) {
      await ask();
      if (at >= measureFrom) latencies.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  return {
    perSecond: round(latencies.length / SECONDS.measured, 0),
    p50Ms: round(quantile(latencies, 0.5)),
    p99Ms: round(quantile(latencies, 0.99)),
  };
};

export const measureApi = async (options: ApiOptions): Promise<object> => {
  const env = serviceEnv(options, `api${Date.now()}.`);
  const registry = Candidate.run('apps/registry/dist/main.js', env);
  const address = /ready on (http:\S+)/.exec(await registry.ready)?.[1] ?? '';
  const pool = new Pool(address, { connections: AT_ONCE });
  let token = env['OPERATOR_TOKEN'] ?? '';
  const ask: Ask = async (method, path, body) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const answer = await pool.request({ method, path, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw new Error(`${method} ${path} answered ${answer.statusCode}: ${text}`);
    return JSON.parse(text) as { id: string; token: string };
  };
  try {
    const { id: orgId } = await ask('POST', '/v1/organizations', { name: 'Bench', cloudFunctionsEnabled: true });
    const scopes = ['registered-apis:read', 'registered-apis:write', 'cloud-functions:read', 'cloud-functions:write'];
    ({ token } = await ask('POST', `/v1/orgs/${orgId}/access-tokens`, { name: 'Bench', scopes }));
    const base = `/v1/orgs/${orgId}`;
    const api = await ask('POST', `${base}/registered-apis`, { name: 'API', baseUrl: 'http://127.0.0.1:9' });
    const write = (): Promise<unknown> =>
      ask('POST', `${base}/cloud-functions`, { name: 'Function', registeredApiId: api.id, endpointUrl: 'a', branchOptions: ['yes', 'no'] });
    const { id } = (await write()) as { id: string };
    const writes = await drive(write);
    const reads = await drive(() => ask('GET', `${base}/cloud-functions/${id}`));
    const lists = await drive(() => ask('GET', `${base}/cloud-functions?limit=25`));
    const results = { atOnce: AT_ONCE, writes, reads, lists };
    process.stdout.write(`  ${JSON.stringify(results)}\n`);
    return results;
  } finally {
    await pool.close();
    await registry.stop();
  }
};
