/** Real: HTTP, Postgres, the log's engine in memory. */
import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { auditEvents, type DeadLetter, deadLetters, registryChanges, stepRequests } from '@cf/contract';
import { eventually } from '@cf/testing';
import { RunningExecutions } from './running-executions.js';

const DAY_MS = 24 * 60 * 60_000;
const path = '/v1/dead-letters';

describe('dead letters', () => {
  let executions: RunningExecutions;

  let offset = 0;
  const letterOf = (value: Buffer | null, over: Partial<DeadLetter> & { topic?: string } = {}): DeadLetter => {
    const { topic = stepRequests.name, ...rest } = over;
    return {
      origin: { topic, partition: 1, offset: offset++ },
      reason: 'invalid_message',
      detail: '/orgId is missing',
      receivedAt: new Date(Date.now() - offset * 1_000).toISOString(),
      key: 'the key',
      valueBase64: value?.toString('base64') ?? null,
      valueSha256: value === null ? null : createHash('sha256').update(value).digest('hex'),
      truncated: false,
      headers: { traceparent: 'x', seq: '3' },
      ...rest,
    };
  };

  /** Publishes letters and answers their ids, in the same order. */
  const keep = async (...letters: DeadLetter[]): Promise<string[]> => {
    await executions.publish(deadLetters, ...letters);
    return eventually(async () => {
      const { body } = await executions.get(`${path}?limit=100`);
      return letters.map(({ origin }) => {
        const kept = body.data.find((one: { origin: object }) => JSON.stringify(one.origin) === JSON.stringify(origin));
        expect(kept).toBeDefined();
        return kept.id;
      });
    });
  };

  const recordsAt = async (topic: string) => {
    const records = [];
    for await (const chunk of executions.log.readBack({ topic, partition: 1, untilOffset: 1_000, sinceMs: 0, recordsMax: 1_000 }))
      records.push(...chunk);
    return records;
  };

  // The shape of an event is what the specs are about.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  const audited = async (): Promise<any[]> => {
    const told = [];
    const topic = auditEvents.name;
    for await (const chunk of executions.log.readBack({ topic, partition: 0, untilOffset: 1_000, sinceMs: 0, recordsMax: 1_000 }))
      told.push(...chunk.map(({ value }) => JSON.parse(String(value))));
    return told;
  };

  beforeAll(async () => {
    executions = await RunningExecutions.start();
  });
  afterAll(() => executions.stop());

  it('are listed newest first, in pages, by topic, reason and time', async () => {
    const [first, second, third] = await keep(
      letterOf(Buffer.from('{'), { reason: 'not_json', receivedAt: new Date(Date.now() - 3 * DAY_MS).toISOString() }),
      letterOf(Buffer.from('{}'), { receivedAt: new Date(Date.now() - 2 * DAY_MS).toISOString() }),
      letterOf(Buffer.from('{}'), { topic: 'chat.events', receivedAt: new Date(Date.now() - DAY_MS).toISOString() }),
    );
    const ids = async (query: string): Promise<string[]> =>
      (await executions.get(`${path}?${query}`)).body.data.map(({ id }: { id: string }) => id);
    const page = await executions.get(`${path}?limit=2`);
    expect(page.body.data[0]).not.toHaveProperty('value');
    const rest = await executions.get(`${path}?limit=2&cursor=${page.body.nextCursor}`);
    expect([...page.body.data, ...rest.body.data].map(({ id }: { id: string }) => id)).toEqual([third, second, first]);
    expect(await ids('topic=chat.events')).toEqual([third]);
    expect(await ids('reason=not_json')).toEqual([first]);
    expect(
      await ids(
        `receivedAt[lt]=${new Date(Date.now() - 1.5 * DAY_MS).toISOString()}&receivedAt[gte]=${new Date(Date.now() - 2.5 * DAY_MS).toISOString()}`,
      ),
    ).toEqual([second]);
    expect((await executions.get(`${path}?topic=chat.events&cursor=${page.body.nextCursor}`)).status).toBe(400);
    expect((await executions.get(`${path}?colour=red`)).status).toBe(400);
  });

  it('hide their value and headers from all but the reveal scope of the organization that they name, operators included', async () => {
    const [orgId, other] = [await executions.addOrganization(), await executions.addOrganization()];
    const reader = await executions.addToken(orgId, ['executions:read']);
    const revealer = await executions.addToken(orgId, ['executions:read', 'executions:reveal']);
    const stranger = await executions.addToken(other, ['executions:read', 'executions:reveal']);
    const value = `{"orgId":"${orgId}","text":"unwell"`;
    const [own, both, nobodys] = await keep(
      letterOf(Buffer.from(value), { reason: 'not_json', detail: `Unexpected token 'u', ..."xt": unwell"... is not valid JSON` }),
      letterOf(Buffer.from(`{"orgId":"${orgId}","more":{"orgId":"${other}"}}`)),
      letterOf(Buffer.from('{"text":"unwell"')),
    );
    const read = (id: string | undefined, token?: string, org = orgId) => executions.get(`/v1/orgs/${org}${path.slice(3)}/${id}`, token);
    await eventually(async () =>
      expect((await read(own, revealer)).body).toMatchObject({
        hidden: false,
        value: { encoding: 'utf-8', text: value },
        headers: { seq: '3' },
      }),
    );
    for (const answer of [
      await read(own, reader),
      await read(own),
      await executions.get(`${path}/${own}`),
      await executions.get(`${path}/${nobodys}`),
    ]) {
      expect(answer).toMatchObject({ status: 200, body: { hidden: true, value: null, headers: {}, key: 'the key', resentAt: null } });
      expect(JSON.stringify(answer.body)).not.toContain('unwell');
    }
    for (const id of [both, nobodys, randomUUID(), 'nonsense']) expect((await read(id, revealer)).status).toBe(404);
    await eventually(async () => expect((await read(own, stranger, other)).status).toBe(404));
    expect((await read(own, stranger)).status).toBe(404);
    for (const id of [randomUUID(), 'nonsense']) expect((await executions.get(`${path}/${id}`)).status).toBe(404);
    const revealed = (await audited()).filter(({ action }) => action === 'dead-letter.revealed');
    expect(revealed).toMatchObject([{ orgId, actor: { type: 'access-token' }, subject: { id: own }, details: { reason: 'not_json' } }]);
  });

  it('show their value as text, or as base64 where it is none, with the reason in words', async () => {
    const orgId = await executions.addOrganization();
    const token = await executions.addToken(orgId, ['executions:read', 'executions:reveal']);
    const [bytes, headers] = [Buffer.from([0xff, 0x00, 0x7b]), { 'org-id': orgId }];
    const [text, binary, empty] = await keep(
      letterOf(Buffer.from('{"é":1}'), { headers }),
      letterOf(bytes, { reason: 'not_utf8', headers }),
      letterOf(null, { headers }),
    );
    const read = (id?: string) =>
      eventually(async () => {
        const { status, body } = await executions.get(`/v1/orgs/${orgId}/dead-letters/${id}`, token);
        expect(status).toBe(200);
        return body;
      });
    expect(await read(text)).toMatchObject({ value: { encoding: 'utf-8', text: '{"é":1}' }, key: 'the key', headers });
    expect(await read(binary)).toMatchObject({ value: { encoding: 'base64', base64: bytes.toString('base64') } });
    expect((await read(binary)).explanation).toContain('UTF-8');
    expect((await read(empty)).value).toBeNull();
  });

  it('are sent again byte for byte, once per request, and say so and remember by whom', async () => {
    const orgId = await executions.addOrganization();
    await eventually(async () => expect((await executions.get(`/v1/orgs/${orgId}/executions`)).status).toBe(200));
    const value = Buffer.from(`{"seq": 1.0,  "big": 12345678901234567890, "orgId": "${orgId}"}`);
    const letter = letterOf(value);
    const [id] = await keep(letter);
    const before = (await recordsAt(stepRequests.name)).length;
    const { status, body } = await executions.request('POST', `${path}/${id}/resends`);
    expect({ status, ...body }).toMatchObject({ status: 201, resentBy: 'operator', resentCount: 1 });
    const [record, ...more] = (await recordsAt(stepRequests.name)).slice(before);
    expect(more).toEqual([]);
    expect(record!.value!.equals(value)).toBe(true);
    expect([String(record!.key), record!.headers]).toEqual([
      'the key',
      { traceparent: 'x', seq: '3', resends: String(letter.origin.offset) },
    ]);
    await executions.request('POST', `${path}/${id}/resends`);
    expect((await executions.get(`${path}/${id}`)).body.resentCount).toBe(2);
    expect(await recordsAt(stepRequests.name)).toHaveLength(before + 2);
    const resent = (await audited()).filter(({ action, subject }) => action === 'dead-letter.resent' && subject.id === id);
    expect(resent).toMatchObject([{ orgId }, { orgId }]);
    const [nobodys] = await keep(letterOf(Buffer.from('{}')));
    await executions.request('POST', `${path}/${nobodys}/resends`);
    expect((await audited()).find(({ subject }) => subject.id === nobodys)).toMatchObject({ orgId: null, actor: { type: 'operator' } });
  });

  it('are not sent again when they were cut, nor to a topic that holds state', async () => {
    const [cut, state] = await keep(
      letterOf(Buffer.from('{'), { truncated: true }),
      letterOf(Buffer.from('{}'), { topic: registryChanges.name }),
    );
    expect(await executions.request('POST', `${path}/${cut}/resends`)).toMatchObject({
      status: 409,
      body: { code: 'dead_letter_truncated' },
    });
    expect(await executions.request('POST', `${path}/${state}/resends`)).toMatchObject({
      status: 409,
      body: { code: 'dead_letter_not_resendable' },
    });
    expect((await executions.request('POST', `${path}/${randomUUID()}/resends`)).status).toBe(404);
  });

  it('are for operators only', async () => {
    const orgId = await executions.addOrganization();
    const token = await executions.addToken(orgId, ['executions:read', 'executions:write', 'executions:reveal']);
    const [id] = await keep(letterOf(Buffer.from('{}')));
    for (const one of [path, `${path}/${id}`]) expect((await executions.get(one, token)).status).toBe(403);
    expect((await executions.request('POST', `${path}/${id}/resends`, { token })).status).toBe(403);
  });
});
