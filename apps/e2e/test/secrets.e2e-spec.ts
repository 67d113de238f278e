/**
 * Real: the product as a process with every log line and every trace on, its database with the topics in it, an endpoint that echoes all it
 * gets. Marked secrets of every kind go through success, failure, retry and test; then all that can be read is searched for them.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase, CustomerEndpoint, eventually, testCertificate } from '@cf/testing';
import pg from 'pg';
import { Api } from './harness/api.js';
import { Collector } from './harness/collector.js';
import { Program } from './harness/processes.js';
import { Tenant } from './harness/tenant.js';

const OPERATOR_TOKEN = 'operator-token-of-secrets';
const marked = (what: string): string => `marked-${what}-${randomBytes(6).toString('hex')}`;

describe('secrets', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'cf-secrets-'));
  const secrets = {
    header: marked('header'),
    apiKey: marked('key'),
    queryKey: marked('query'),
    password: marked('password'),
    bearer: marked('bearer'),
    clientSecret: marked('client'),
    accessToken: marked('token'),
    signing: marked('signing'),
  };
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let collector: Collector;
  let customer: CustomerEndpoint;
  let program: Program;
  let tenant: Tenant;
  const answers: string[] = [];

  /** As they are, and as they travel: in base64 of Basic, and escaped into a URL or a form. */
  const searchedFor = (): string[] => {
    const plain = [...Object.values(secrets), tenant.token, OPERATOR_TOKEN];
    const basic = [`user:${secrets.password}`, `client:${secrets.clientSecret}`].map((text) => Buffer.from(text).toString('base64'));
    return [...plain, ...basic];
  };
  const expectNone = (where: string, text: string): void => {
    expect(
      searchedFor()
        .filter((secret) => text.includes(secret))
        .map((secret) => `${secret} in ${where}`),
    ).toEqual([]);
  };
  const ask = async (method: string, path: string, body?: object): Promise<Record<string, unknown>> => {
    const answer = await tenant.api.request(method, tenant.path(path), body);
    answers.push(JSON.stringify(answer.body));
    return answer.body;
  };

  beforeAll(async () => {
    [database, collector, customer] = await Promise.all([createTestDatabase(), Collector.start(), CustomerEndpoint.start()]);
    customer.answer('/token', () => ({
      body: JSON.stringify({ access_token: secrets.accessToken, token_type: 'Bearer', expires_in: 3_600 }),
    }));
    for (const [path, status] of [
      ['/works', 200],
      ['/fails', 500],
      ['/refuses', 401],
    ] as const)
      customer.answer(path, ({ headers, url, body }) => ({
        status,
        headers: { 'x-echo': JSON.stringify(headers).slice(0, 2_000) },
        body: JSON.stringify({ returnValue: 'Yes', headers, url, body: body.toString() }),
      }));
    program = await Program.start('apps/standalone/dist/main.js', {
      NODE_ENV: 'test',
      PORT: '0',
      DATA_DIR: dataDir,
      DATABASE_URL: database.url,
      OPERATOR_TOKEN,
      LOG_LEVEL: 'trace',
      ALLOW_HTTP: 'true',
      ALLOWED_ADDRESSES: '127.0.0.0/8',
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_BSP_SCHEDULE_DELAY: '100',
    });
    tenant = await Tenant.create(new Api(() => program.address, OPERATOR_TOKEN));
  }, 180_000);

  afterAll(async () => {
    await program.stop();
    await Promise.all([collector.close(), customer.close(), database.drop()]);
    rmSync(dataDir, { recursive: true, force: true });
  });

  it('used in calls that succeed, fail, are retried and tested are in no answer, log, metric, trace, topic or table', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const otherKey = String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const authorizations = [
      { type: 'None' },
      { type: 'ApiKey', keyName: 'x-key', keyValue: secrets.apiKey, addTo: 'Header' },
      { type: 'ApiKey', keyName: 'key', keyValue: secrets.queryKey, addTo: 'QueryParams' },
      { type: 'Basic', username: 'user', password: secrets.password },
      { type: 'BearerToken', token: secrets.bearer },
      ...(['BasicAuthHeader', 'RequestBody'] as const).map((sendAs) => ({
        type: 'OAuth',
        grantType: 'client_credentials',
        accessTokenUrl: `${customer.url}/token`,
        clientId: 'client',
        clientSecret: secrets.clientSecret,
        scope: '',
        sendAs,
      })),
    ];
    for (const authorization of authorizations) {
      const headers = [{ name: 'x-secret', value: secrets.header, secret: true }];
      const api = await ask('POST', 'registered-apis', { name: 'API', baseUrl: customer.url, headers, authorization });
      await ask('POST', `registered-apis/${String(api['id'])}/copies`);
      await ask('POST', `registered-apis/${String(api['id'])}/connection-tests`);
      for (const endpointUrl of ['works', 'fails', 'refuses']) {
        const signing = { enabled: true, secret: secrets.signing };
        const { id } = await ask('POST', 'cloud-functions', { name: endpointUrl, registeredApiId: api['id'], endpointUrl, signing });
        answers.push(JSON.stringify(await tenant.runStep(String(id))));
        await tenant.createTrigger(String(id), 'ChatStatus');
      }
    }
    // Refused writes must not quote what they refuse.
    await ask('POST', 'registered-apis', {
      name: 'API',
      baseUrl: 'nonsense',
      headers: [{ name: 'a b', value: secrets.header, secret: true }],
    });
    await ask('POST', 'registered-apis', {
      name: 'API',
      baseUrl: customer.url,
      authorization: { type: 'BearerToken', token: `${secrets.bearer}\r\n` },
    });
    await ask('POST', 'registered-apis', {
      name: 'API',
      baseUrl: customer.url,
      tls: { clientCertificate: testCertificate.cert, clientKey: otherKey },
    });
    await tenant.sendEvent(tenant.event('ChatOpened'));

    const calls = authorizations.length * 3;
    await eventually(async () => {
      const rows = await tenant.executions('?limit=100');
      expect(rows.filter(({ status }) => status !== 'queued')).toHaveLength(2 * calls);
    });
    for (const { invocationId } of await tenant.executions('?limit=100')) await ask('GET', `executions/${invocationId}`);
    for (const list of ['registered-apis', 'cloud-functions', 'triggers', 'executions', 'access-tokens', 'audit-log'])
      await ask('GET', `${list}?limit=100`);
    const metrics = await (await fetch(`${program.address}/metrics`)).text();
    const received = customer.calls.map(({ rawHeaders, url, body }) => JSON.stringify([rawHeaders, url, body.toString()])).join('\n');
    for (const secret of Object.values(secrets).filter((each) => each !== secrets.signing)) expect(decoded(received)).toContain(secret);

    const { invocationId } = (await tenant.executions('?limit=1'))[0] ?? { invocationId: '' };
    const places = {
      'an answer': answers.join('\n'),
      'the log': program.output,
      'a trace': collector.text,
      'a table': await dump(database.url),
    };
    for (const [place, text] of Object.entries(places)) {
      expect([place, text.includes(invocationId), text.includes('BEGIN PRIVATE KEY')]).toEqual([place, true, false]);
      expectNone(place, text);
    }
    expect(places['a table']).toContain('"x-secret":"***"');
    expectNone('the metrics', metrics);
  }, 180_000);
});

/** What the endpoint got with its base64 opened. */
const decoded = (text: string): string =>
  text + [...text.matchAll(/Basic ([A-Za-z0-9+/=]+)/g)].map(([, code = '']) => Buffer.from(code, 'base64').toString()).join('\n');

/** Every row of every table, byte columns as text. */
const dump = async (url: string): Promise<string> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows: tables } = await client.query<{ name: string }>(
    `SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
     WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'`,
  );
  const texts: string[] = [];
  for (const { name } of tables) {
    const { rows } = await client.query({ text: `SELECT * FROM ${name}`, rowMode: 'array' });
    for (const row of rows as unknown[][])
      texts.push(
        row
          .map((value) =>
            value instanceof Buffer ? value.toString('utf8') : value instanceof Object ? JSON.stringify(value) : String(value),
          )
          .join('|'),
      );
  }
  await client.end();
  return texts.join('\n');
};
