/** Real: Postgres, HTTP, the consumers, the claimer, the replayer. In memory: the log. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type AuditEvent, auditEvents, type InvocationRequest, stepResults, triggerInvocationResults } from '@cf/contract';
import { eventually } from '@cf/testing';
import { deadLettered } from './dead-lettered.js';
import { failed, inMs, retrying, stepRequest, stepResultOf, succeeded, triggerRequest } from './messages.js';
import { RunningExecutions } from './running-executions.js';

const HOUR_MS = 3_600_000;

describe('replays', () => {
  let executions: RunningExecutions;

  beforeAll(async () => {
    executions = await RunningExecutions.start({ EXECUTIONS_REPLAY_RATE: '2000', EXECUTIONS_REPLAYS_PER_ORGANIZATION_MAX: '5' });
  });
  afterAll(() => executions.stop());

  it('by filter: counted first, then everything that did not succeed is sent once, the oldest first', async () => {
    const { orgId, requests, replay, progress, sent, path } = await deadLettered(executions, 40);
    const others = await deadLettered(executions, 3);
    const late = triggerRequest({ orgId, acceptedAt: inMs(HOUR_MS).toISOString() });
    await executions.publish(triggerInvocationResults, failed(late), succeeded(requests[7]!, { attempts: [] }));
    await eventually(async () => {
      const { body } = await executions.get(`/v1/orgs/${orgId}/executions?status=succeeded`);
      expect(body.data).toHaveLength(1);
    });
    const filter = { status: ['dead_lettered', 'succeeded'], 'createdAt[lt]': inMs(-HOUR_MS).toISOString() };
    expect(await replay({ filter, dryRun: true })).toMatchObject({ status: 200, body: { dryRun: true, count: 39 } });
    expect(sent()).toEqual([]);

    const { status, body } = await replay({ filter });
    expect(status).toBe(201);
    expect(body).toMatchObject({ name: 'after the outage', status: 'running', total: 39, createdBy: { type: 'operator' }, filter });
    await progress(body.id, { enqueued: 39, pending: 39, status: 'running' });
    await eventually(() => expect(sent()).toHaveLength(39));
    const expected = requests.filter((_, age) => age !== 7);
    // One chat, so one partition: its order is that of the sending.
    expect(sent().map(({ invocationId }) => invocationId)).toEqual(expected.map(({ invocationId }) => invocationId));
    for (const request of sent()) {
      expect(request).toMatchObject({ seq: 1, attempt: 2, origin: 'bulk_replay' });
      expect(Date.parse(request.retryUntil ?? '')).toBeGreaterThan(Date.now() + 23 * HOUR_MS);
    }
    const [again, ...rest] = sent();
    await executions.publish(triggerInvocationResults, failed(again!), ...rest.map((request) => succeeded(request)));
    await progress(body.id, { status: 'completed', succeeded: 38, failed: 1, pending: 0, skipped: {}, completedAt: expect.any(String) });
    expect(others.sent()).toEqual([]);
    expect((await executions.get(path)).body).toMatchObject({ data: [{ id: body.id, status: 'completed' }], nextCursor: null });
  });

  it('by ids: what may not be sent is counted with its reason', async () => {
    const { orgId, triggerId, cloudFunctionId, requests, replay, progress, sent } = await deadLettered(executions, 2);
    const foreign = await deadLettered(executions, 1);
    const of = (over: Partial<InvocationRequest> = {}) => triggerRequest({ orgId, triggerId, cloudFunctionId, ...over });
    const [won, waiting, withoutTrigger, withoutFunction] = [
      of(),
      of(),
      of({ triggerId: randomUUID() }),
      of({ cloudFunctionId: randomUUID() }),
    ];
    const step = stepRequest({ orgId });
    await executions.publish(triggerInvocationResults, succeeded(won), retrying(waiting, inMs(HOUR_MS)));
    await executions.publish(triggerInvocationResults, failed(withoutTrigger), failed(withoutFunction));
    await executions.publish(stepResults, stepResultOf(step));
    await eventually(async () => expect(await executions.recorded([triggerInvocationResults, stepResults])).toBe(true));
    const named = [...requests, won, waiting, withoutTrigger, withoutFunction, step, ...foreign.requests];
    const invocationIds = [...named.map(({ invocationId }) => invocationId.toUpperCase()), randomUUID(), requests[0]!.invocationId];
    const { body } = await replay({ invocationIds });
    expect(body.total).toBe(named.length + 1);
    await progress(body.id, {
      enqueued: 2,
      skipped: { succeeded: 1, waiting: 1, trigger_inactive: 1, function_inactive: 1, step: 1, not_found: 2 },
    });
    await eventually(() => expect(sent()).toHaveLength(2));
    expect(foreign.sent()).toEqual([]);
    const twice = await replay({ invocationIds: requests.map(({ invocationId }) => invocationId) });
    await progress(twice.body.id, { status: 'completed', enqueued: 0, skipped: { in_progress: 2 }, pending: 0 });
    const also = await replay({ invocationIds: [won.invocationId], onlyIfNotSucceeded: false });
    await progress(also.body.id, { enqueued: 1 });
    await eventually(() => expect(executions.sentOf(won.invocationId)).toHaveLength(1));
  });

  it('is refused when it does not say what to send', async () => {
    const { replay, sent, path } = await deadLettered(executions, 1);
    const bad = (code: string, pointer: string) => ({ status: 400, body: { code: 'invalid_request', errors: [{ code, pointer }] } });
    expect(await replay({})).toMatchObject(bad('custom', ''));
    expect(await replay({ filter: {}, invocationIds: [randomUUID()] })).toMatchObject(bad('custom', ''));
    expect(await replay({ name: 'a\0b', filter: {} })).toMatchObject(bad('invalid_format', '/name'));
    expect(await replay({ filter: { stepName: 'a\0b' } })).toMatchObject(bad('invalid_format', '/filter/stepName/0'));
    expect(await replay({ filter: { colour: 'red' } })).toMatchObject(bad('unknown_key', '/filter/colour'));
    expect(await replay({ filter: JSON.parse('{"__proto__":"red"}') })).toMatchObject(bad('unknown_key', '/filter/__proto__'));
    expect(await replay({ filter: { status: 'late' } })).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: '/filter/status/0' }] },
    });
    expect(await replay({ filter: { kind: 'step' } })).toMatchObject(bad('custom', '/filter/kind'));
    expect(await replay({ filter: { kind: ['trigger', 'step'] } })).toMatchObject(bad('custom', '/filter/kind'));
    expect(await replay({ filter: { test: true } })).toMatchObject(bad('custom', '/filter/test'));
    expect(await replay({ filter: { stepName: 'Schedule' } })).toMatchObject(bad('custom', '/filter/stepName'));
    expect((await executions.get(path)).body.data).toEqual([]);
    expect(sent()).toEqual([]);
  });

  it('belongs to its organization and needs its scopes', async () => {
    const { orgId, replay, path } = await deadLettered(executions, 1);
    const { body } = await replay({ filter: { status: 'cancelled' } });
    const other = await executions.addOrganization();
    await eventually(async () => expect((await executions.get(`/v1/orgs/${other}/replays`)).status).toBe(200));
    expect((await executions.get(`/v1/orgs/${other}/replays/${body.id}`)).status).toBe(404);
    expect((await executions.get(`/v1/orgs/${other}/replays`)).body.data).toEqual([]);
    expect((await executions.request('POST', `/v1/orgs/${other}/replays/${body.id}/cancellation`)).status).toBe(404);
    const reader = await executions.addToken(orgId, ['replays:read']);
    await eventually(async () => expect((await executions.get(`${path}/${body.id}`, reader)).status).toBe(200));
    const refused = { status: 403, body: { code: 'missing_scope' } };
    expect(await executions.request('POST', path, { token: reader, body: { name: 'no', filter: {} } })).toMatchObject(refused);
    expect(await executions.request('POST', `${path}/${body.id}/pause`, { token: reader })).toMatchObject(refused);
  });

  it('is paused, resumed, cancelled and audited; what waits of a cancelled one is cancelled too', async () => {
    const executions = await RunningExecutions.start({ EXECUTIONS_REPLAY_RATE: '20' });
    const audited: AuditEvent[] = [];
    executions.log.read({
      topic: auditEvents.name,
      from: 'beginning',
      onRecords: (_partition, records) => audited.push(...records.map(({ value }) => auditEvents.schema.parse(JSON.parse(String(value))))),
    });
    try {
      const { orgId, cloudFunctionId, requests, replay, progress, sent, path } = await deadLettered(executions, 60);
      await executions.setFunction(orgId, cloudFunctionId, { triggersPaused: true });
      const { body } = await replay({ filter: { cloudFunctionId } });
      const set = (what: string) => executions.request('POST', `${path}/${body.id}/${what}`);
      const { enqueued } = await eventually(async () => {
        const shown = (await executions.get(`${path}/${body.id}`)).body;
        expect(shown.enqueued).toBeGreaterThan(0);
        return shown;
      });
      expect(enqueued).toBeLessThan(60);
      expect(await set('pause')).toMatchObject({ status: 200, body: { status: 'paused' } });
      const paused = (await executions.get(`${path}/${body.id}`)).body.enqueued;
      const second = await replay({ invocationIds: [requests[59]!.invocationId] });
      await progress(second.body.id, { enqueued: 1 });
      expect((await executions.get(`${path}/${body.id}`)).body.enqueued).toBe(paused);
      expect(await set('resume')).toMatchObject({ status: 200, body: { status: 'running' } });
      await eventually(async () => expect((await executions.get(`${path}/${body.id}`)).body.enqueued).toBeGreaterThan(paused));
      expect(await set('cancellation')).toMatchObject({ status: 200, body: { status: 'cancelled' } });
      const ended = await progress(body.id, { status: 'cancelled', pending: 0, completedAt: expect.any(String) });
      expect(ended.cancelled).toBe(ended.enqueued);
      expect(ended.enqueued).toBeLessThan(60);
      expect(await set('cancellation')).toMatchObject({ status: 200, body: { status: 'cancelled' } });
      expect(await set('resume')).toMatchObject({ status: 409, body: { code: 'replay_ended' } });
      const { rows } = await executions.sql.query('SELECT invocation_id FROM executions.due');
      expect(rows).toEqual([{ invocation_id: requests[59]!.invocationId }]);
      expect(sent()).toEqual([]);
      expect(audited.map(({ action, subject }) => [action, subject.id])).toEqual([
        ['replay.created', body.id],
        ['replay.paused', body.id],
        ['replay.created', second.body.id],
        ['replay.resumed', body.id],
        ['replay.cancelled', body.id],
      ]);
    } finally {
      await executions.stop();
    }
  });

  it('leaves alone what another one ordered after it, when it is cancelled and when it is counted', async () => {
    const { orgId, cloudFunctionId, requests, replay, progress, sent, path } = await deadLettered(executions, 2);
    const [shared, other] = requests.map(({ invocationId }) => invocationId);
    const first = await replay({ invocationIds: [shared, other] });
    await eventually(() => expect(sent()).toHaveLength(2));
    await executions.publish(triggerInvocationResults, failed(executions.sentOf(shared!)[0]!));
    await progress(first.body.id, { failed: 1, pending: 1 });
    await executions.setFunction(orgId, cloudFunctionId, { triggersPaused: true });
    const second = await replay({ invocationIds: [shared] });
    await progress(second.body.id, { enqueued: 1 });

    await executions.request('POST', `${path}/${first.body.id}/cancellation`);
    await executions.publish(triggerInvocationResults, succeeded(executions.sentOf(other!)[0]!));
    await progress(first.body.id, { status: 'cancelled', succeeded: 1, failed: 1, cancelled: 0, completedAt: expect.any(String) });
    await executions.setFunction(orgId, cloudFunctionId);
    await eventually(() => expect(executions.sentOf(shared!)).toHaveLength(2));
    await executions.publish(triggerInvocationResults, succeeded(executions.sentOf(shared!)[1]!));
    await progress(second.body.id, { status: 'completed', succeeded: 1, failed: 0, cancelled: 0 });
    await progress(first.body.id, { succeeded: 1, failed: 1, cancelled: 0 });
  });

  it('takes its turn before replays that were ordered after its last one', async () => {
    const [begun, ordered] = [randomUUID(), randomUUID()];
    await executions.stopServices();
    const insert = (id: string, ago: string, advancedAgo: string | null) =>
      executions.sql.query(
        `INSERT INTO executions.replays (id, org_id, name, status, filter, only_if_not_succeeded, total, created_by, created_at, advanced_at)
         VALUES ($1, $2, 'turns', 'running', '{}', true, 0, '{"type":"operator","id":null,"name":null}', now() - $3::interval, now() - $4::interval)`,
        [id, randomUUID(), ago, advancedAgo],
      );
    await insert(begun, '1 hour', '1 minute');
    await insert(ordered, '1 second', null);
    await executions.startService();
    const turns = await eventually(async () => {
      const { rows } = await executions.sql.query(
        'SELECT id FROM executions.replays WHERE id = ANY($1) AND all_enqueued ORDER BY advanced_at',
        [[begun, ordered]],
      );
      expect(rows).toHaveLength(2);
      return rows;
    });
    expect(turns).toEqual([{ id: begun }, { id: ordered }]);
  });

  it('takes turns among organizations, however many replays one of them has', async () => {
    await executions.stopServices();
    const [many, one] = [randomUUID(), randomUUID()];
    for (const [place, orgId] of [many, many, many, many, one].entries())
      await executions.sql.query(
        `INSERT INTO executions.replays (id, org_id, name, status, filter, only_if_not_succeeded, total, created_by, created_at)
         VALUES (gen_random_uuid(), $1, $2, 'running', '{}', true, 0, '{"type":"operator","id":null,"name":null}', now() - interval '1 minute' + $3 * interval '1 second')`,
        [orgId, `turn ${place}`, place],
      );
    await executions.startService();
    await eventually(async () => {
      const { rows } = await executions.sql.query(
        'SELECT name FROM executions.replays WHERE org_id = ANY($1) AND all_enqueued ORDER BY advanced_at',
        [[many, one]],
      );
      expect(rows.map(({ name }) => name)).toEqual(['turn 0', 'turn 4', 'turn 1', 'turn 2', 'turn 3']);
    });
  });

  it('does not wait for the times that were set while the clock of Postgres had jumped ahead', async () => {
    await executions.stopServices();
    const ahead = `now() + interval '1 day'`;
    const [before, after] = [randomUUID(), randomUUID()];
    await executions.sql.query(`UPDATE executions.replay_pace SET next_at = ${ahead}`);
    await executions.sql.query(`INSERT INTO executions.replay_turns (org_id, advanced_at) VALUES ($1, ${ahead})`, [before]);
    for (const [orgId, ago] of [
      [before, '1 minute'],
      [after, '1 second'],
    ])
      await executions.sql.query(
        `INSERT INTO executions.replays (id, org_id, name, status, filter, only_if_not_succeeded, total, created_by, created_at, advanced_at, counted_at)
         VALUES (gen_random_uuid(), $1, 'jump', 'running', '{}', true, 0, '{"type":"operator","id":null,"name":null}', now() - $2::interval, ${ahead}, ${ahead})`,
        [orgId, ago],
      );
    await executions.startService();
    await eventually(async () => {
      const { rows } = await executions.sql.query(
        `SELECT org_id FROM executions.replays WHERE name = 'jump' AND status = 'completed' ORDER BY advanced_at`,
      );
      expect(rows).toEqual([{ org_id: before }, { org_id: after }]);
    });
  });

  it('goes on however many others are open, and those with nothing under way are not counted again', async () => {
    await executions.sql.query(
      `INSERT INTO executions.replays (id, org_id, name, status, filter, only_if_not_succeeded, total, enqueued, created_by, created_at)
       SELECT gen_random_uuid(), gen_random_uuid(), CASE enqueued WHEN 0 THEN 'idle' ELSE 'busy' END, 'paused', '{}', true, 1, enqueued,
              '{"type":"operator","id":null,"name":null}', now()
       FROM generate_series(1, 300), generate_series(0, 1) AS enqueued`,
    );
    const idle = async (countedAfter: string): Promise<number> => {
      const { rows } = await executions.sql.query(
        `SELECT count(*)::integer AS count FROM executions.replays WHERE name = 'idle' AND counted_at > $1::timestamptz`,
        [countedAfter],
      );
      return rows[0].count;
    };
    await eventually(async () => expect(await idle('-infinity')).toBe(300), 20_000);
    const { rows } = await executions.sql.query('SELECT now()::text AS now');
    const { replay, progress, sent } = await deadLettered(executions, 5);
    const { body } = await replay({ filter: {} });
    await eventually(() => expect(sent()).toHaveLength(5));
    await executions.publish(triggerInvocationResults, ...sent().map((request) => succeeded(request)));
    // Counted after all whose figures are older.
    await progress(body.id, { status: 'completed', succeeded: 5 });
    expect(await idle(rows[0].now)).toBe(0);
    await executions.sql.query(`DELETE FROM executions.replays WHERE name IN ('idle', 'busy')`);
  });

  it('ends with its figures whatever it takes to remove its items, and that goes on after a restart', async () => {
    const { orgId, progress } = await deadLettered(executions, 0);
    const [id, count] = [randomUUID(), 25_000];
    await executions.sql.query(
      `WITH sent AS (
         INSERT INTO executions.executions (invocation_id, org_id, kind, test, status, seq, next_attempt, by_result, attempt_count, created_at, completed_at)
         SELECT gen_random_uuid(), $2, 'trigger', false, CASE WHEN place % 5 = 0 THEN 'dead_lettered' ELSE 'succeeded' END, 1, 2, true, 0, now(), now()
         FROM generate_series(1, $3) AS place RETURNING invocation_id),
       ordered AS (
         INSERT INTO executions.replays (id, org_id, name, status, filter, only_if_not_succeeded, total, enqueued, created_by, created_at)
         VALUES ($1, $2, 'large', 'paused', '{}', true, $3, $3, '{"type":"operator","id":null,"name":null}', now()))
       INSERT INTO executions.replay_items (replay_id, invocation_id, org_id, seq) SELECT $1, invocation_id, $2, 1 FROM sent`,
      [id, orgId, count],
    );
    const items = async () => (await executions.sql.query('SELECT FROM executions.replay_items WHERE replay_id = $1', [id])).rowCount;
    const holder = await executions.sql.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('SELECT FROM executions.replay_items WHERE replay_id = $1 LIMIT 1 FOR UPDATE', [id]);
      await executions.sql.query('UPDATE executions.replays SET all_enqueued = true WHERE id = $1', [id]);
      await progress(id, { status: 'completed', succeeded: count * 0.8, failed: count * 0.2, pending: 0 });
      await eventually(async () => expect(await items()).toBe(1));
      await executions.stopServices();
    } finally {
      await holder.query('ROLLBACK');
      holder.release();
    }
    await executions.startService();
    await eventually(async () => expect(await items()).toBe(0));
  });

  it('are refused to an organization that has as many open ones as it may, until one ends', async () => {
    const { requests, replay, sent } = await deadLettered(executions, 7);
    const others = await deadLettered(executions, 1);
    const answers = await Promise.all(requests.map(({ invocationId }) => replay({ invocationIds: [invocationId] })));
    const refused = answers.filter(({ status }) => status !== 201);
    expect(refused).toHaveLength(2);
    for (const answer of refused) expect(answer).toMatchObject({ status: 429, body: { code: 'too_many_replays' } });
    expect((await replay({ filter: {}, dryRun: true })).status).toBe(200);
    expect((await others.replay({ filter: {} })).status).toBe(201);
    await eventually(() => expect(sent()).toHaveLength(5));
    expect((await replay({ filter: {} })).status).toBe(429);
    await executions.publish(triggerInvocationResults, succeeded(sent()[0]!));
    await eventually(async () => expect((await replay({ filter: {} })).status).toBe(201));
  });

  it('goes on after a crash and with several processes, and sends each once', async () => {
    await executions.startService();
    const { requests, replay, progress, sent } = await deadLettered(executions, 300);
    const { body } = await replay({ filter: {} });
    for (let cut = 0; cut < 8; cut++) {
      await executions.cutConnections();
      await executions.sql.query('SELECT pg_sleep(0.05)');
    }
    await eventually(() => expect(new Set(sent().map(({ invocationId }) => invocationId)).size).toBe(requests.length), 30_000);
    await progress(body.id, { enqueued: requests.length, pending: requests.length });
    expect(new Set(sent().map(({ invocationId, seq }) => `${invocationId} ${seq}`)).size).toBe(requests.length);
    expect(sent().every(({ seq }) => seq === 1)).toBe(true);
  });

  it('does not delay a fresh retry, and neither do its own retries', async () => {
    const executions = await RunningExecutions.start({ EXECUTIONS_REPLAY_RATE: '2000', EXECUTIONS_CLAIM_MAX: '5' });
    try {
      const { orgId, triggerId, cloudFunctionId, requests, replay, progress, sent } = await deadLettered(executions, 50);
      await executions.setFunction(orgId, cloudFunctionId, { triggersPaused: true });
      const { body } = await replay({ filter: {} });
      await progress(body.id, { enqueued: 50 });
      const waiting = async () => (await executions.sql.query('SELECT priority FROM executions.due WHERE held')).rows;
      await eventually(async () => expect(await waiting()).toHaveLength(50));
      await executions.stopServices();

      const fresh = triggerRequest({ orgId, triggerId, cloudFunctionId, chatId: requests[0]!.chatId });
      await executions.publish(triggerInvocationResults, retrying(fresh, inMs(0)));
      await executions.setFunction(orgId, cloudFunctionId);
      await executions.changeDue('held = false');
      await executions.startService();
      await eventually(() => expect(sent()).toHaveLength(51));
      expect(sent()[0]!.invocationId).toBe(fresh.invocationId);

      await executions.publish(triggerInvocationResults, retrying(sent()[1]!, inMs(HOUR_MS)));
      await eventually(async () => {
        const { rows } = await executions.sql.query('SELECT priority FROM executions.due');
        expect(rows).toEqual([{ priority: 2 }]);
      });
    } finally {
      await executions.stop();
    }
  });
});
