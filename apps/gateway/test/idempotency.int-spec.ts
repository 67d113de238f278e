/** Idempotency-Key at the gateway: what has one asks the database, nothing else does. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { chatEvents, stepRequest, stepRequests, stepResults } from '@cf/contract';
import { createTestDatabase, eventually, TestService, type TestDatabase } from '@cf/testing';
import pg from 'pg';
import { GatewayModule } from '../src/index.js';

let database: TestDatabase;
let service: TestService;
let orgId: string;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  service = await TestService.create(GatewayModule);
  orgId = await service.addOrganization();
});
afterEach(() => service.close());

const keyed = (key: string) => ({ headers: { 'idempotency-key': key } });
const event = () => JSON.stringify({ ...chatEvents.example, id: randomUUID(), orgId });
const post = (path: string, body: string, options = {}) => service.post(`/v1/orgs/${orgId}/${path}`, body, options);

describe('a chat event', () => {
  it('that comes twice at once, and once more, with one key is published once', async () => {
    await service.start({ databaseUrl: database.url });
    const body = event();
    const [one, two] = await Promise.all([post('chat-events', body, keyed('once')), post('chat-events', body, keyed('once'))]);
    const three = await post('chat-events', body, keyed('once'));
    expect([one, two, three].map(({ status, text }) => [status, text])).toEqual([one, two, three].map(() => [202, '{"accepted":1}']));
    expect([one, two, three].filter(({ headers }) => headers.get('idempotency-replayed') === 'true')).toHaveLength(2);
    expect(await service.records(chatEvents)).toHaveLength(1);
    expect((await post('chat-events', event(), keyed('once'))).body.code).toBe('idempotency_key_reused');
  });
});

describe('a step', () => {
  it('is run once for its key: in use while it runs, then answered with the very same bytes', async () => {
    await service.start({ databaseUrl: database.url });
    const { orgId: _, ...example } = stepRequests.example;
    const body = JSON.stringify({ ...example, requestId: randomUUID() });
    const running = post('step-executions', body, keyed('step'));
    const [sent] = await eventually(async () => {
      const records = await service.records(stepRequests);
      expect(records).toHaveLength(1);
      return records.map(({ value, partition }) => ({ partition, request: stepRequest.parse(JSON.parse(String(value))) }));
    });
    const impatient = await post('step-executions', body, keyed('step'));
    expect([impatient.status, impatient.body.code]).toEqual([409, 'idempotency_key_in_use']);

    const { requestId, executionId } = sent!.request;
    await service.publish(stepResults, { ...stepResults.example, requestId, executionId, orgId, returnValue: 'hidden-value' }, sent!);
    const first = await running;
    const again = await post('step-executions', body, keyed('step'));
    expect([first.status, again.status, again.text]).toEqual([200, 200, first.text]);
    expect([again.headers.get('idempotency-replayed'), again.headers.get('content-type')]).toEqual([
      'true',
      first.headers.get('content-type'),
    ]);
    expect(await service.records(stepRequests)).toHaveLength(1);

    const client = new pg.Client(database.url);
    await client.connect();
    const { rows } = await client.query<{ row: string }>(
      `SELECT k::text || encode(answer, 'escape') AS row FROM gateway.idempotency_keys k`,
    );
    await client.end();
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.map(({ row }) => row).join()).not.toMatch(/hidden-value|returnValue/);
  });
});

describe('without its database', () => {
  it('the gateway is ready and passes everything on; only a key gets a 503', async () => {
    await service.start({ databaseUrl: 'postgres://nobody@127.0.0.1:1/none' });
    await eventually(async () => expect((await fetch(`${service.address}/health/ready`)).status).toBe(200));
    expect((await post('chat-events', event())).status).toBe(202);
    const refused = await post('chat-events', event(), keyed('away'));
    expect([refused.status, refused.body.code, refused.headers.get('retry-after')]).toEqual([503, 'unavailable', '1']);
    expect(await service.records(chatEvents)).toHaveLength(1);
  });
});
