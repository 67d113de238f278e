/** Real: the gateway over HTTP and the engine of the embedded log, in memory. */
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chatEvents, eventExample, eventTypes } from '@cf/contract';
import { TestService } from '@cf/testing';
import { GatewayModule } from '../src/index.js';

let service: TestService;
let orgId: string;
let token: string;

beforeAll(async () => {
  service = await TestService.create(GatewayModule);
  orgId = await service.addOrganization();
  token = await service.addToken(orgId, ['chat-events:publish']);
  await service.start();
});
afterAll(() => service.close());

const written = (over: object = {}): string => JSON.stringify({ ...chatEvents.example, id: randomUUID(), orgId, ...over });
const publish = (body: string | Buffer, headers: Record<string, string> = {}, path = orgId) =>
  service.post(`/v1/orgs/${path}/chat-events`, body, { token, headers });
const batch = (body: string | Buffer) => publish(body, { 'content-type': 'application/x-ndjson' });
const values = async (): Promise<string[]> => (await service.records(chatEvents)).map(({ value }) => String(value));

describe('publishing a chat event over HTTP', () => {
  it('puts it on its topic byte for byte, keyed by its chat', async () => {
    const chatId = randomUUID();
    const text = ` {"nr": 12345678901234567890, "q": "\\u00e9 ✓",\n "a": 1.0, ${written({ chatId: chatId.toUpperCase() }).slice(1)} `;
    expect(await publish(text, { traceparent: `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01` })).toMatchObject({
      status: 202,
      body: { accepted: 1 },
    });
    const record = (await service.records(chatEvents)).find(({ key }) => key?.toString() === chatId);
    expect(String(record?.value)).toBe(text);
    expect(record?.headers).toMatchObject({ 'content-type': 'application/json', traceparent: expect.stringContaining('ab'.repeat(16)) });
  });

  it.each(eventTypes)('takes %s', async (type) => {
    const text = JSON.stringify({ ...eventExample(type), id: randomUUID(), orgId });
    expect((await publish(text)).status).toBe(202);
    expect(await values()).toContain(text);
  });

  it('passes on the invocation that caused it', async () => {
    const causedBy = randomUUID();
    const id = randomUUID();
    expect((await publish(written({ id }), { 'caused-by': causedBy })).status).toBe(202);
    const record = (await service.records(chatEvents)).find(({ value }) => String(value).includes(id));
    expect(record?.headers).toMatchObject({ 'caused-by': causedBy });
    expect((await publish(written(), { 'caused-by': 'me' })).status).toBe(400);
  });

  it('takes the organization in either case', async () => {
    expect((await publish(written({ orgId: orgId.toUpperCase() }))).status).toBe(202);
    expect((await publish(written(), {}, orgId.toUpperCase())).status).toBe(202);
  });

  it('refuses what does not fit with a pointer and publishes nothing', async () => {
    const before = (await values()).length;
    const refused: [string | Buffer, number, string, string][] = [
      [written({ orgId: randomUUID() }), 400, '/orgId', 'other_organization'],
      [written({ type: 'ChatReopened' }), 400, '/type', 'unknown_event_type'],
      [written({ id: 'one' }), 400, '/id', 'invalid_format'],
      [written({ timestamp: 'now' }), 400, '/timestamp', 'invalid_format'],
      ['[]', 400, '', 'invalid_type'],
      [written({ text: 'x'.repeat(256 * 1024) }), 413, '', 'event_too_large'],
    ];
    for (const [body, status, pointer, code] of refused) {
      const answer = await publish(body);
      expect(answer).toMatchObject({ status, body: { errors: [{ pointer, code }] } });
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
    }
    expect(await publish('{"type":')).toMatchObject({ status: 400, body: { code: 'invalid_json' } });
    expect((await publish('')).status).toBe(400);
    expect(await publish(Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff]), Buffer.from('"}')]))).toMatchObject({
      status: 400,
      body: { code: 'invalid_utf8' },
    });
    expect((await publish(written(), { 'content-type': 'text/plain' })).status).toBe(415);
    expect((await publish('x'.repeat(6 * 1024 * 1024))).status).toBe(413);
    expect(await values()).toHaveLength(before);
  });

  it('tells a client that its body is too large also when it writes all of it before it reads', async () => {
    const { port } = new URL(service.address);
    const client = connect(Number(port), '127.0.0.1');
    client.pause();
    const bytes = 24 * 1024 * 1024;
    const headers = ['host: gateway', `authorization: Bearer ${token}`, 'content-type: application/json', `content-length: ${bytes}`];
    client.write(`POST /v1/orgs/${orgId}/chat-events HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
    await new Promise<void>((resolve, reject) =>
      client.once('error', reject).write('x'.repeat(bytes), (error) => (error ? reject(error) : resolve())),
    );
    const answer = (await client.toArray()).join('');
    expect(answer).toMatch(/^HTTP\/1.1 413 [^]*"code":"body_too_large"/);
  });
});

describe('publishing a batch of chat events', () => {
  it('puts the bytes of every line on the topic', async () => {
    const lines = Array.from({ length: 1_000 }, (_, index) => written({ index }).replace(',', index % 2 === 0 ? ' , ' : ','));
    expect(await batch(`${lines.join('\n')}\n`)).toMatchObject({ status: 202, body: { accepted: 1_000 } });
    const present = new Set(await values());
    expect(lines.filter((line) => !present.has(line))).toEqual([]);
  });

  it('is refused whole, with the numbers of the bad lines', async () => {
    const before = (await values()).length;
    const body = [written(), '{"type":', written(), written({ type: 'ChatReopened' })].join('\n');
    expect(await batch(body)).toMatchObject({
      status: 400,
      body: {
        errors: [
          { pointer: '/2', code: 'invalid_json' },
          { pointer: '/4', code: 'unknown_event_type' },
        ],
      },
    });
    expect((await batch(Array.from({ length: 1_001 }, () => written()).join('\n'))).status).toBe(413);
    expect((await batch('')).status).toBe(400);
    expect(await values()).toHaveLength(before);
  });
});

describe('who may publish', () => {
  it('needs a token, its scope and its organization', async () => {
    const path = `/v1/orgs/${orgId}/chat-events`;
    const otherOrgId = await service.addOrganization();
    const withoutScope = await service.addToken(orgId, ['executions:read']);
    const ofAnother = await service.addToken(otherOrgId, ['chat-events:publish']);
    expect((await service.post(path, written(), { token: null })).status).toBe(401);
    expect((await service.post(path, written(), { token: 'unknown' })).status).toBe(401);
    expect((await service.post(path, written(), { token: withoutScope })).status).toBe(403);
    expect((await service.post(path, written(), { token: ofAnother })).status).toBe(404);
    expect((await service.post(path, written())).status).toBe(202);
    expect((await service.post(`/v1/orgs/${randomUUID()}/chat-events`, written())).status).toBe(404);
  });
});
