/** Real: Postgres, HTTP, the consumers, retention. In memory: the log. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type DeadLetter,
  deadLetters,
  type InvocationRequest,
  stepInvocationResults,
  stepResults,
  triggerInvocationResults,
} from '@cf/contract';
import { eventually } from '@cf/testing';
import { attemptOf, deferred, failed, inMs, retrying, stepRequest, stepResultOf, succeeded, triggerRequest } from './messages.js';
import { RunningExecutions } from './running-executions.js';

const DAY_MS = 86_400_000;
const ERASURES_PER_MINUTE = 8;
const TOPICS = [triggerInvocationResults, stepInvocationResults, stepResults];

let executions: RunningExecutions;
beforeAll(async () => {
  executions = await RunningExecutions.start({
    EXECUTIONS_RETENTION_EVERY_MS: '200',
    EXECUTIONS_ERASURES_PER_MINUTE: String(ERASURES_PER_MINUTE),
    EXECUTIONS_HEALTH_FOLD_EVERY_MS: '20',
  });
});
afterAll(() => executions.stop());

const recorded = () => eventually(async () => expect(await executions.recorded(TOPICS)).toBe(true));
const count = async (table: string, where = 'true', params: unknown[] = []): Promise<number> => {
  const { rows } = await executions.sql.query<{ count: string }>(`SELECT count(*) FROM executions.${table} WHERE ${where}`, params);
  return Number(rows[0]!.count);
};

const dropped = (partition: string) =>
  eventually(async () => {
    const { rows } = await executions.sql.query('SELECT to_regclass($1) AS name', [`executions.${partition}`]);
    expect(rows).toEqual([{ name: null }]);
  });

/** Makes what was recorded older, as time would. */
const age = async (invocationId: string, days: number): Promise<void> => {
  for (const [table, columns] of [
    ['executions', ['created_at', 'accepted_at']],
    ['attempts', ['started_at']],
    ['requests', ['accepted_at']],
  ] as const) {
    const set = columns.map((column) => `${column} = ${column} - interval '${days} days'`).join(', ');
    await executions.sql.query(`UPDATE executions.${table} SET ${set} WHERE invocation_id = $1`, [invocationId]);
  }
};

describe('retention', () => {
  it('deletes what is older than its organization keeps it, and nothing that waits', async () => {
    const [short, long] = [await executions.addOrganization(randomUUID(), 2), await executions.addOrganization(randomUUID(), 30)];
    const triggerId = randomUUID();
    await executions.setTrigger(short, triggerId);
    const of = (orgId: string) => triggerRequest({ orgId, triggerId });
    const [old, waiting, fresh, kept] = [of(short), of(short), of(short), of(long)];
    await executions.publish(triggerInvocationResults, failed(old), failed(fresh), failed(kept), retrying(waiting, inMs(DAY_MS)));
    await recorded();
    for (const { invocationId } of [old, waiting, kept]) await age(invocationId, 3);
    await eventually(async () => expect(await count('executions', 'invocation_id = $1', [old.invocationId])).toBe(0));
    for (const table of ['attempts', 'requests', 'due']) expect(await count(table, 'invocation_id = $1', [old.invocationId])).toBe(0);
    for (const { invocationId } of [waiting, fresh, kept])
      for (const table of ['executions', 'attempts', 'requests']) expect(await count(table, 'invocation_id = $1', [invocationId])).toBe(1);
  });

  it('deletes the attempts of an invoker whose clock was wrong with their execution', async () => {
    const orgId = await executions.addOrganization(randomUUID(), 2);
    const request = triggerRequest({ orgId });
    const attempts = ['2001-01-01T00:00:00Z', new Date().toISOString(), '2091-01-01T00:00:00Z'].map((startedAt) =>
      attemptOf(request, { startedAt }),
    );
    await executions.publish(triggerInvocationResults, failed(request, { attempts }));
    await recorded();
    const { invocationId } = request;
    expect(await count('attempts_default', 'invocation_id = $1', [invocationId])).toBe(2);
    await age(invocationId, 3);
    await eventually(async () => expect(await count('executions', 'invocation_id = $1', [invocationId])).toBe(0));
    expect(await count('attempts', 'invocation_id = $1', [invocationId])).toBe(0);
  });

  it('deletes nothing that is out, however old it is, so that its retry is made; nor the partition of its request', async () => {
    const orgId = await executions.addOrganization(randomUUID(), 1);
    const triggerId = randomUUID();
    await executions.setTrigger(orgId, triggerId);
    const [out, stuck] = [triggerRequest({ orgId, triggerId }), triggerRequest({ orgId, triggerId })];
    await executions.publish(triggerInvocationResults, retrying(out, inMs(DAY_MS)), retrying(stuck, inMs(DAY_MS)));
    await recorded();
    const day = (date: string) => `FOR VALUES FROM ('${date}T00:00:00Z') TO ('${date}T24:00:00Z')`;
    await executions.sql.query(`CREATE TABLE executions.requests_20200103 PARTITION OF executions.requests ${day('2020-01-03')}`);
    const { invocationId } = out;
    await executions.sql.query(`UPDATE executions.requests SET accepted_at = '2020-01-03T12:00:00Z' WHERE invocation_id = $1`, [
      invocationId,
    ]);
    await executions.sql.query(
      `UPDATE executions.executions SET accepted_at = '2020-01-03T12:00:00Z', created_at = '2020-01-03T12:00:00Z' WHERE org_id = $1`,
      [orgId],
    );
    await executions.sql.query('UPDATE executions.due SET due_at = now() WHERE org_id = $1', [orgId]);
    const sendings = async (times: number) => {
      await eventually(() => expect(executions.sentOf(invocationId)).toHaveLength(times));
      return executions.sentOf(invocationId).at(-1)!;
    };
    const sent = await sendings(1);
    await eventually(async () => expect(await count('due', 'org_id = $1', [orgId])).toBe(0));
    // Later turns of retention: one takes what was never answered, one drops a partition that nothing needs.
    await executions.sql.query(`UPDATE executions.executions SET sent_at = now() - interval '15 days' WHERE invocation_id = $1`, [
      stuck.invocationId,
    ]);
    await eventually(async () => expect(await count('executions', 'invocation_id = $1', [stuck.invocationId])).toBe(0));
    await executions.sql.query(`CREATE TABLE executions.requests_20200104 PARTITION OF executions.requests ${day('2020-01-04')}`);
    await dropped('requests_20200104');
    await executions.publish(triggerInvocationResults, retrying(sent, inMs(0)));
    const last = await sendings(2);
    expect(last).toMatchObject({ seq: 2, body: out.body });
    await executions.publish(triggerInvocationResults, failed(last));
    await dropped('requests_20200103');
    // The turn that drops it may have looked at the executions before this one had ended.
    await eventually(async () => expect(await count('executions', 'invocation_id = $1', [invocationId])).toBe(0));
  });

  it('records nothing that is expired when an old topic is read again, so that no old retry is made', async () => {
    const orgId = await executions.addOrganization(randomUUID(), 1);
    const triggerId = randomUUID();
    await executions.setTrigger(orgId, triggerId);
    const expired = triggerRequest({ orgId, triggerId, acceptedAt: inMs(-2 * DAY_MS).toISOString() });
    const step = stepRequest({ orgId });
    const marker = triggerRequest({ orgId, triggerId });
    await executions.publish(stepResults, stepResultOf(step, { completedAt: inMs(-2 * DAY_MS).toISOString() }));
    await executions.publish(triggerInvocationResults, retrying(expired, inMs(0)), failed(marker));
    await recorded();
    expect(await count('executions', 'org_id = $1', [orgId])).toBe(1);
    expect(await count('due', 'org_id = $1', [orgId])).toBe(0);
    expect(executions.sentOf(expired.invocationId)).toEqual([]);
  });

  it('deletes the replays that ended of an organization that has no executions left, and no younger ones', async () => {
    const orgId = await executions.addOrganization(randomUUID(), 2);
    const insert = (name: string, days: number) =>
      executions.sql.query(
        `INSERT INTO executions.replays (id, org_id, name, status, filter, only_if_not_succeeded, total, created_by, created_at, completed_at, all_enqueued)
         VALUES (gen_random_uuid(), $1, $2, 'completed', $3, true, 0, '{"type":"operator","id":null,"name":null}',
                 now() - $4 * interval '1 day', now() - $4 * interval '1 day', true)`,
        [orgId, name, JSON.stringify({ chatId: randomUUID() }), days],
      );
    await insert('old', 3);
    await insert('young', 1);
    const path = `/v1/orgs/${orgId}/replays`;
    await eventually(async () => expect((await executions.get(path)).body.data).toMatchObject([{ name: 'young' }]));
  });

  it('drops the partitions that the longest retention has passed', async () => {
    await executions.sql.query(
      `CREATE TABLE executions.attempts_20200102 PARTITION OF executions.attempts FOR VALUES FROM ('2020-01-02T00:00:00Z') TO ('2020-01-03T00:00:00Z')`,
    );
    await dropped('attempts_20200102');
  });
});

describe('erasing a chat', () => {
  const chatId = randomUUID();
  const says = (what: string): string => JSON.stringify({ type: 'ChatOpened', chatId: chatId.toUpperCase(), what });

  /** Every row of every table as text, whatever is base64 decoded too. */
  const everything = async (): Promise<string> => {
    const { rows: tables } = await executions.sql.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'executions' AND c.relkind IN ('r', 'p') AND NOT c.relispartition`,
    );
    expect(tables.length).toBeGreaterThan(8);
    const texts: string[] = [];
    for (const { name } of tables) {
      const { rows } = await executions.sql.query<{ row: Record<string, unknown> }>(`SELECT to_jsonb(t) AS row FROM executions.${name} t`);
      for (const { row } of rows) {
        texts.push(JSON.stringify(row));
        for (const value of Object.values(row))
          if (typeof value === 'string' && /^[A-Za-z0-9+/]{16,}=*$/.test(value))
            texts.push(Buffer.from(value, 'base64').toString('latin1'));
      }
    }
    return texts.join('\n').toLowerCase();
  };

  const letterOf = (value: string, offset: number, headers: Record<string, string> = {}): DeadLetter => ({
    ...deadLetters.example,
    origin: { topic: 'chat.events', partition: 0, offset },
    key: chatId,
    valueBase64: Buffer.from(value).toString('base64'),
    headers,
  });

  it('leaves it in no table, cancels what waits, and late results do not bring it back', async () => {
    const [orgId, other] = [await executions.addOrganization(), await executions.addOrganization()];
    const triggerId = randomUUID();
    await executions.setTrigger(orgId, triggerId);
    await executions.setTrigger(other, triggerId);
    const [failing, receiver] = [randomUUID(), randomUUID()];
    for (const id of [failing, receiver]) await executions.setFunction(orgId, id);
    const webhook = `/v1/orgs/${orgId}/notification-webhook`;
    await eventually(async () =>
      expect((await executions.request('PUT', webhook, { body: { cloudFunctionId: receiver } })).status).toBe(200),
    );
    const of = (over: Partial<InvocationRequest> = {}) =>
      triggerRequest({ orgId, triggerId, chatId, cloudFunctionId: failing, body: says('trigger'), ...over });
    const [done, waiting, held, upper, bystander, foreign] = [
      of(),
      of(),
      of(),
      of({ chatId: chatId.toUpperCase() }),
      of({ chatId: randomUUID(), body: '{}' }),
      of({ orgId: other }),
    ];
    const step = stepRequest({ orgId, chatId, body: says('step') });
    const response = { headers: { 'x-chat': chatId }, body: says('answer'), truncated: false };
    const results = [
      failed(done, {
        attempts: [attemptOf(done, { response }), attemptOf(done, { response, startedAt: inMs(-3 * DAY_MS).toISOString() })],
      }),
      retrying(waiting, inMs(DAY_MS)),
      deferred(held, inMs(DAY_MS)),
      failed(upper, { failureDetail: `no chat ${chatId}` }),
      failed(bystander),
    ];
    await executions.publish(triggerInvocationResults, ...results, failed(foreign));
    await executions.publish(stepInvocationResults, succeeded(step));
    await executions.publish(stepResults, stepResultOf(step));
    const named = `{"orgId":"${orgId}","chatId":"${chatId}",`;
    const nameless = letterOf(`${chatId} {`, 2);
    const unencoded = { ...letterOf('', 5), key: null, valueBase64: `@@@ ${chatId}` };
    const nonsense = { ...letterOf('', 6), key: null, valueBase64: '@@@' };
    await executions.publish(deadLetters, letterOf(named, 1), nameless, letterOf(`{"orgId":"${other}"`, 3), unencoded, nonsense);
    await recorded();
    await eventually(async () => expect(await count('dead_letters')).toBe(5));
    // As the release before keeps them.
    await executions.sql.query('UPDATE executions.dead_letters SET ids = NULL, organization_ids = NULL WHERE origin_offset IN (2, 5, 6)');
    const replay = (body: object) =>
      executions.request('POST', `/v1/orgs/${orgId}/replays`, {
        body: { name: `of ${chatId}`, ...body },
        idempotencyKey: chatId + JSON.stringify(body),
      });
    for (const filter of [{ chatId }, { status: 'cancelled', chatId: [chatId.toUpperCase(), randomUUID()] }])
      expect((await replay({ filter })).status).toBe(201);
    expect((await replay({ invocationIds: [done.invocationId] })).status).toBe(201);
    await eventually(async () => expect(await count('notification_deliveries', 'org_id = $1', [orgId])).toBeGreaterThan(0));
    expect(await everything()).toContain(chatId);

    const erase = (org: string, token?: string) =>
      executions.request('POST', `/v1/orgs/${org}/erasures`, {
        body: { chatId: chatId.toUpperCase() },
        ...(token === undefined ? {} : { token }),
      });
    const reader = await executions.addToken(orgId, ['executions:read']);
    await eventually(async () => expect(await erase(orgId, reader)).toMatchObject({ status: 403, body: { code: 'missing_scope' } }));
    const { status, body } = await erase(orgId);
    expect([status, body]).toEqual([
      200,
      {
        executions: 5,
        attempts: expect.any(Number),
        requests: 5,
        waiting: expect.any(Number),
        deadLetters: 3,
        erasedAt: expect.any(String),
      },
    ]);
    expect(body.waiting).toBeGreaterThanOrEqual(2);
    // What is left is the other organization's: its execution, its letter.
    expect(await count('executions', 'lower(chat_id) = $1', [chatId])).toBe(1);
    expect(await erase(other)).toMatchObject({ status: 200, body: { executions: 1, deadLetters: 1 } });
    expect(await everything()).not.toContain(chatId);
    const { data } = (await executions.get(`/v1/orgs/${orgId}/replays`)).body;
    expect(data.map(({ filter }: { filter: object }) => filter)).toEqual([
      null,
      { status: 'cancelled', chatId: [expect.stringMatching(/^0{8}-/), expect.any(String)] },
      { chatId: expect.stringMatching(/^0{8}-/) },
    ]);
    expect(await count('executions', 'invocation_id = $1', [bystander.invocationId])).toBe(1);

    const late = [...results.filter(({ request }) => request !== bystander), succeeded({ ...waiting, seq: 1, attempt: 2 })];
    await executions.publish(triggerInvocationResults, ...late);
    await executions.publish(stepInvocationResults, succeeded(step));
    await executions.publish(stepResults, stepResultOf(step, { completedAt: body.erasedAt, durationMs: 500 }));
    await executions.publish(deadLetters, letterOf(named, 4), nameless, unencoded);
    const again = of({ acceptedAt: inMs(1_000).toISOString(), body: '{}' });
    await executions.publish(triggerInvocationResults, succeeded(again));
    await executions.publish(deadLetters, { ...deadLetters.example, origin: { topic: 'marker', partition: 0, offset: 1 } });
    await recorded();
    await eventually(async () => expect(await count('dead_letters', `origin_topic = 'marker'`)).toBe(1));
    expect(await count('dead_letters')).toBe(2);
    // The conversation goes on: what was accepted afterwards is recorded.
    const { rows } = await executions.sql.query('SELECT invocation_id FROM executions.executions WHERE lower(chat_id) = $1', [chatId]);
    expect(rows).toEqual([{ invocation_id: again.invocationId }]);
    expect(await erase(orgId)).toMatchObject({ status: 200, body: { executions: 1, waiting: 0 } });
    expect(await everything()).not.toContain(chatId);
  });

  it('is done one at a time for an organization, and only so often in a minute', async () => {
    const [orgId, other] = [await executions.addOrganization(), await executions.addOrganization()];
    const erase = (org: string) => executions.request('POST', `/v1/orgs/${org}/erasures`, { body: { chatId: randomUUID() } });
    await eventually(async () => expect((await erase(other)).status).toBe(200));
    const holder = await executions.sql.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('LOCK TABLE executions.erased_chats IN SHARE MODE');
      const first = erase(orgId);
      await eventually(async () => expect(await erase(orgId)).toMatchObject({ status: 429, body: { code: 'too_many_erasures' } }));
      await holder.query('COMMIT');
      expect((await first).status).toBe(200);
    } finally {
      holder.release();
    }
    const refused = await eventually(async () => {
      const answer = await erase(orgId);
      expect(answer.status).toBe(429);
      return answer;
    });
    expect(refused.body.detail).toContain(`${ERASURES_PER_MINUTE} erasures a minute`);
    expect((await erase(other)).status).toBe(200);
  });
});
