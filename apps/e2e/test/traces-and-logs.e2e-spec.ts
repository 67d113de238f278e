import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CustomerEndpoint, createTestDatabase, eventually } from '@cf/testing';
import { Api } from './harness/api.js';
import { Collector } from './harness/collector.js';
import { Program } from './harness/processes.js';
import { Tenant } from './harness/tenant.js';

const OPERATOR_TOKEN = 'operator-token-of-traces';
const SECRET = 'marked-secret-of-traces';
const TOKEN = 'marked-token-of-traces';

describe('traces and logs', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'cf-traces-'));
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let collector: Collector;
  let customer: CustomerEndpoint;
  let program: Program;
  let tenant: Tenant;
  let cloudFunctionId: string;

  beforeAll(async () => {
    [database, collector, customer] = await Promise.all([createTestDatabase(), Collector.start(), CustomerEndpoint.start()]);
    program = await Program.start('apps/standalone/dist/main.js', {
      NODE_ENV: 'test',
      PORT: '0',
      DATA_DIR: dataDir,
      DATABASE_URL: database.url,
      OPERATOR_TOKEN,
      LOG_LEVEL: 'debug',
      ALLOW_HTTP: 'true',
      ALLOWED_ADDRESSES: '127.0.0.0/8',
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_BSP_SCHEDULE_DELAY: '100',
    });
    tenant = await Tenant.create(new Api(() => program.address, OPERATOR_TOKEN));
    const api = { authorization: { type: 'ApiKey', keyName: 'key', keyValue: SECRET, addTo: 'QueryParams' } };
    cloudFunctionId = await tenant.createFunction(customer.url, 'called', {}, api);
    await tenant.createTrigger(cloudFunctionId, 'ChatStatus');
  }, 180_000);

  afterAll(async () => {
    await program.stop();
    await Promise.all([collector.close(), customer.close(), database.drop()]);
    rmSync(dataDir, { recursive: true, force: true });
  });

  const callWith = (invocationId: string) =>
    customer.calls.find(({ headers }) => headers['x-cloud-function-invocation-id'] === invocationId);
  const lineOf = (invocationId: string): Record<string, unknown> =>
    program.output
      .split('\n')
      .filter((line) => line.startsWith('{') && line.includes(invocationId))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .find(({ msg }) => msg === 'sent') ?? {};

  it('one trace goes from a chat event to the endpoint and on to the record of its result', async () => {
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const event = tenant.event('ChatOpened');
    const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;
    await tenant.api.request('POST', tenant.path('chat-events'), event, { traceparent });
    await eventually(() => expect(customer.calls).toHaveLength(1));
    await eventually(() => {
      const recorded = collector.spans.filter((span) => span.traceId === traceId && span.name === 'process invocation.results.trigger');
      expect(recorded.map((span) => collector.pathTo(span))).toEqual([
        [
          'POST /v1/orgs/:orgId/chat-events',
          'send chat.events',
          'process chat.events',
          'send invocation.requests.trigger',
          'process invocation.requests.trigger',
          'send invocation.results.trigger',
          'process invocation.results.trigger',
        ],
      ]);
    });
    const exchange = collector.spans.find((span) => span.traceId === traceId && span.name === 'POST');
    expect(customer.calls[0]?.headers['traceparent']).toBe(`00-${traceId}-${exchange?.spanId}-01`);
    expect(collector.pathTo(exchange!).slice(-2)).toEqual(['process invocation.requests.trigger', 'POST']);
    const matched = collector.spans.find((span) => span.traceId === traceId && span.name === 'process chat.events')!;
    expect(collector.attributesOf(matched)).toMatchObject({
      'messaging.system': 'cf_embedded',
      'messaging.cf_embedded.offset': expect.anything(),
    });
  });

  it('a token request is part of the trace of the call that asks for it, and tells no secret', async () => {
    const tokenServer = await CustomerEndpoint.start();
    try {
      tokenServer.answer('/token', () => ({ body: JSON.stringify({ access_token: TOKEN, token_type: 'Bearer', expires_in: 3_600 }) }));
      const authorization = {
        ...{ type: 'OAuth', grantType: 'client_credentials', scope: '', sendAs: 'BasicAuthHeader' },
        ...{ accessTokenUrl: `${tokenServer.url}/token?key=${SECRET}`, clientId: 'the-client', clientSecret: SECRET },
      };
      const result = await tenant.runStep(await tenant.createFunction(customer.url, 'with-token', {}, { authorization }));
      const call = callWith(result.invocationId);
      expect(call?.headers['authorization']).toBe(`Bearer ${TOKEN}`);
      const [, traceId] = call?.headers['traceparent']?.toString().split('-') ?? [];
      await eventually(() => {
        const [asked, ...others] = collector.spans.filter((span) => span.traceId === traceId && span.name === 'POST access token');
        expect(others).toEqual([]);
        expect(collector.pathTo(asked!).slice(-2)).toEqual(['process invocation.requests.step', 'POST access token']);
        const { hostname, port } = new URL(tokenServer.url);
        const attributes = { 'http.request.method': 'POST', 'server.address': hostname, 'server.port': Number(port) };
        expect(collector.attributesOf(asked!)).toMatchObject({ ...attributes, 'http.response.status_code': 200 });
      });
    } finally {
      await tokenServer.close();
    }
  });

  it('one trace goes from a step to its result, and the log finds the call by its invocation and its trace', async () => {
    const result = await tenant.runStep(cloudFunctionId);
    const [, traceId] = callWith(result.invocationId)?.headers['traceparent']?.toString().split('-') ?? [];
    await eventually(() => {
      const sent = collector.spans.filter((span) => span.traceId === traceId && span.name === 'send chatbot.step-results');
      expect(sent.map((span) => collector.pathTo(span))).toEqual([
        [
          'POST /v1/orgs/:orgId/step-executions',
          'send chatbot.step-requests',
          'process chatbot.step-requests',
          'send chatbot.step-results',
        ],
      ]);
    });
    await eventually(() =>
      expect(lineOf(result.invocationId)).toMatchObject({ level: 'debug', service: 'standalone', traceId, lane: 'step' }),
    );
  });

  it('an error that a caller sees is found by its trace id', async () => {
    const answer = await tenant.api.request<{ traceId: string }>('GET', tenant.path('executions?nonsense=1'));
    await eventually(() => {
      const span = collector.spans.find(({ traceId }) => traceId === answer.body.traceId);
      expect([span?.name, answer.status]).toEqual(['GET /v1/orgs/:orgId/executions', 400]);
    });
  });

  it('no secret is in a trace or a log', () => {
    expect(customer.calls[0]?.url).toContain(SECRET);
    for (const secret of [SECRET, TOKEN, tenant.token, OPERATOR_TOKEN]) {
      expect(collector.text).not.toContain(secret);
      expect(program.output).not.toContain(secret);
    }
  });
});
