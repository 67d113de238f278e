/** Real: Postgres, HTTP, two processes' worth of the service. In memory: the log. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type InvocationRequest, triggerInvocationResults } from '@cf/contract';
import { eventually } from '@cf/testing';
import { failed, inMs, retrying, succeeded, triggerRequest } from './messages.js';
import { OPERATOR_TOKEN, RunningExecutions } from './running-executions.js';
import { ask, openAndStall, StreamReader } from './stream-reader.js';

describe('the live stream of executions', () => {
  let executions: RunningExecutions;
  let orgId: string;
  const readers: StreamReader[] = [];
  const functionId = randomUUID();

  const open = async (query = '', options: { token?: string; lastEventId?: string; process?: number; org?: string } = {}) => {
    const { process = 0, org = orgId, ...given } = options;
    const reader = await StreamReader.open(`${executions.addressOf(process)}/v1/orgs/${org}/executions/stream${query}`, given);
    readers.push(reader);
    return reader;
  };
  const seen = ({ events }: StreamReader) => events.filter(({ event }) => event === 'execution').map(({ data }) => data.invocationId);
  const record = async (...requests: InvocationRequest[]) => {
    await executions.publish(triggerInvocationResults, ...requests.map((request) => succeeded(request)));
  };

  beforeAll(async () => {
    executions = await RunningExecutions.start({
      EXECUTIONS_STREAM_LOOK_EVERY_MS: '20',
      EXECUTIONS_STREAM_HEARTBEAT_MS: '50',
      EXECUTIONS_STREAM_STUCK_MS: '1000',
      EXECUTIONS_STREAMS_PER_ORGANIZATION_MAX: '6',
    });
    await executions.startService();
    orgId = await executions.addOrganization();
  });
  afterAll(async () => {
    for (const reader of readers) reader.close();
    await executions.stop();
  });

  it('tells each change of an execution with what a list shows of it, in every process', async () => {
    const [here, there] = [await open(), await open('', { process: 1 })];
    const request = triggerRequest({ orgId });
    await executions.publish(triggerInvocationResults, retrying(request, inMs(3_600_000)));
    for (const reader of [here, there]) await eventually(() => expect(reader.events.map(({ data }) => data.status)).toEqual(['retrying']));
    await executions.publish(triggerInvocationResults, succeeded({ ...request, seq: 1, attempt: 2 }));
    for (const reader of [here, there])
      await eventually(() => expect(reader.events.map(({ data }) => data.status)).toEqual(['retrying', 'succeeded']));
    const { body } = await executions.get(`/v1/orgs/${orgId}/executions`);
    expect(here.events.at(-1)).toMatchObject({ event: 'execution', data: body.data[0] });
    await eventually(() => expect(here.heartbeats).toBeGreaterThan(1));
    for (const reader of [here, there]) reader.close();
  });

  it('tells only what the filters want', async () => {
    const reader = await open(`?status=dead_lettered&cloudFunctionId=${functionId}&httpStatus[gte]=500`);
    const other = triggerRequest({ orgId });
    const fine = triggerRequest({ orgId, cloudFunctionId: functionId });
    const wanted = triggerRequest({ orgId, cloudFunctionId: functionId });
    await executions.publish(triggerInvocationResults, failed(other), succeeded(fine), failed(wanted));
    await eventually(() => expect(seen(reader)).toEqual([wanted.invocationId]));
    reader.close();
  });

  it('goes on where a reader was, in whatever process, without a gap and without a repeat', async () => {
    const cloudFunctionId = randomUUID();
    const first = await open(`?cloudFunctionId=${cloudFunctionId}`);
    const requests = Array.from({ length: 30 }, () => triggerRequest({ orgId, cloudFunctionId }));
    await record(...requests.slice(0, 10));
    await eventually(() => expect(seen(first)).toHaveLength(10));
    const early = first.events[3]!.id!;
    first.close();
    await record(...requests.slice(10, 20));
    const second = await open(`?cloudFunctionId=${cloudFunctionId}`, { process: 1, lastEventId: early });
    const third = await open(`?cloudFunctionId=${cloudFunctionId}&lastEventId=${first.events.at(-1)!.id}`);
    await record(...requests.slice(20));
    await eventually(() => expect(seen(second)).toHaveLength(26));
    await eventually(() => expect(seen(third)).toHaveLength(20));
    expect(new Set([...seen(first).slice(0, 4), ...seen(second)])).toEqual(new Set(requests.map(({ invocationId }) => invocationId)));
    expect(seen(third).toSorted()).toEqual(
      requests
        .slice(10)
        .map(({ invocationId }) => invocationId)
        .toSorted(),
    );
    for (const reader of [second, third]) reader.close();
  });

  it('misses nothing of transactions that commit in another order than they began', async () => {
    const reader = await open();
    const [late, early] = [triggerRequest({ orgId }), triggerRequest({ orgId })];
    await record(late, early);
    await eventually(() => expect(seen(reader)).toHaveLength(2));
    const slow = await executions.sql.connect();
    try {
      await slow.query('BEGIN');
      await slow.query(`UPDATE executions.executions SET failure_detail = 'late' WHERE invocation_id = $1`, [late.invocationId]);
      await executions.sql.query(`UPDATE executions.executions SET failure_detail = 'early' WHERE invocation_id = $1`, [
        early.invocationId,
      ]);
      const heartbeats = reader.heartbeats;
      await eventually(() => expect(reader.heartbeats).toBeGreaterThan(heartbeats + 2));
      expect(reader.events).toHaveLength(2);
      const again = await open('', { lastEventId: reader.lastId! });
      await slow.query('COMMIT');
      for (const [one, before] of [
        [reader, 2],
        [again, 0],
      ] as const)
        await eventually(() => expect(one.events.slice(before).map(({ data }) => data.failureDetail)).toEqual(['late', 'early']));
      again.close();
    } finally {
      slow.release();
    }
    reader.close();
  });

  it('says that a position is not kept any more, and refuses one that is none', async () => {
    const reader = await open('', { lastEventId: '5-1-1-1000' });
    await eventually(() => expect(reader.events).toMatchObject([{ event: 'gap', data: { reason: 'position_not_kept' } }]));
    const request = triggerRequest({ orgId });
    await record(request);
    await eventually(() => expect(seen(reader)).toEqual([request.invocationId]));
    reader.close();
    expect((await open('', { lastEventId: 'yesterday' })).status).toBe(400);
  });

  it('gives an event the time of its change, so that one told late is no place that is kept longer', async () => {
    const before = await open();
    const request = triggerRequest({ orgId });
    await record(request);
    await eventually(() => expect(seen(before)).toEqual([request.invocationId]));
    before.close();
    await executions.sql.query(`UPDATE executions.execution_changes SET changed_at = changed_at - interval '630 seconds'`);
    // As the release before wrote ids: with the time of telling.
    const [xid] = before.events[0]!.id!.split('-');
    const late = await open('', { lastEventId: `${xid}-0-0-${Date.now()}` });
    await eventually(() => expect(seen(late)).toEqual([request.invocationId]));
    late.close();
    const back = await open('', { lastEventId: late.events[0]!.id! });
    await eventually(() => expect(back.events).toMatchObject([{ event: 'gap', data: { reason: 'position_not_kept' } }]));
    back.close();
  });

  it('refuses filters that say nothing of a row, and unknown ones', async () => {
    for (const query of ['?text=abc', '?limit=5', '?cursor=x', '?colour=red', '?status=done']) expect((await open(query)).status).toBe(400);
  });

  it('tells nobody of another organization, also not one who comes back with its position', async () => {
    const other = await executions.addOrganization();
    const token = await executions.addToken(other, ['executions:read']);
    const own = await open();
    const stranger = await eventually(async () => {
      const reader = await open('', { org: other, token });
      expect(reader.status).toBe(200);
      return reader;
    });
    const [ours, theirs] = [triggerRequest({ orgId }), triggerRequest({ orgId: other })];
    await record(ours, theirs);
    await eventually(() => expect(seen(own)).toEqual([ours.invocationId]));
    await eventually(() => expect(seen(stranger)).toEqual([theirs.invocationId]));
    // The two may be of different transactions, in any order.
    const before = Math.min(...[own, stranger].map(({ events }) => Number(events[0]!.id!.split('-')[0]))) - 1;
    const back = await open('', { org: other, token, lastEventId: `${before}-0-0-${Date.now()}` });
    await eventually(() => expect(seen(back)).toEqual([theirs.invocationId]));
    expect((await open('', { token })).status).toBe(404);
    const wrong = await executions.addToken(other, ['triggers:read']);
    await eventually(async () => expect((await open('', { org: other, token: wrong })).status).toBe(403));
    for (const reader of [own, stranger, back]) reader.close();
  });

  it('answers a HEAD without a stream', async () => {
    const headers = { authorization: `Bearer ${OPERATOR_TOKEN}` };
    const answer = await fetch(`${executions.addressOf(0)}/v1/orgs/${orgId}/executions/stream`, { method: 'HEAD', headers });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
  });

  it('bounds the streams of an organization', async () => {
    const crowded = await executions.addOrganization();
    const opened = await eventually(async () => {
      const reader = await open('', { org: crowded });
      expect(reader.status).toBe(200);
      return reader;
    });
    for (let more = 1; more < 6; more++) expect((await open('', { org: crowded })).status).toBe(200);
    expect((await open('', { org: crowded })).status).toBe(429);
    opened.close();
    await eventually(async () => expect((await open('', { org: crowded })).status).toBe(200));
  });

  it('is not kept for a reader that went away before it began, nor is one of notifications', async () => {
    const crowded = await executions.addOrganization();
    await eventually(async () => expect((await executions.get(`/v1/orgs/${crowded}/executions`)).status).toBe(200));
    const waiting = () => executions.metric('cf_database_connections', { schema: 'executions', state: 'waiting' });
    const paths = ['executions', 'notifications'].flatMap((kind) => Array.from({ length: 4 }, () => `/v1/orgs/${crowded}/${kind}/stream`));
    const holder = await executions.sql.connect();
    await holder.query('BEGIN; LOCK TABLE executions.executions IN ACCESS EXCLUSIVE MODE');
    const slow = Array.from({ length: 12 }, () => executions.get(`/v1/orgs/${orgId}/executions`));
    try {
      await eventually(async () => expect(await waiting()).toBeGreaterThan(1));
      const before = await waiting();
      const sockets = await Promise.all(paths.map((path) => ask(executions.addressOf(0), path)));
      await eventually(async () => expect(await waiting()).toBeGreaterThanOrEqual(before + paths.length));
      for (const socket of sockets) socket.destroy();
      // What is asked after they left is answered after they were seen to leave.
      for (let times = 0; times < 5; times++) await fetch(`${executions.addressOf(0)}/metrics`);
    } finally {
      await holder.query('COMMIT');
      holder.release();
    }
    await Promise.all(slow);
    await eventually(async () => expect(await waiting()).toBe(0));
    const reader = await open('', { org: crowded });
    expect(reader.status).toBe(200);
    reader.close();
  });

  it('ends when its token is revoked or expires', async () => {
    const token = await executions.addToken(orgId, ['executions:read']);
    const brief = await executions.addToken(orgId, ['executions:read'], inMs(3_000).toISOString());
    const streams = await eventually(async () => {
      const opened = [await open('', { token }), await open('', { token: brief })];
      expect(opened.map(({ status }) => status)).toEqual([200, 200]);
      return opened;
    });
    await executions.revokeToken(token);
    for (const reader of streams) {
      await eventually(() => expect(reader.events.at(-1)).toMatchObject({ event: 'cut_off', data: { reason: 'token_ended' } }));
      await eventually(() => expect(reader.ended).toBe(true));
    }
  });

  it('ends at once when its process stops, and is taken up by another', async () => {
    const reader = await open('', { process: 1 });
    const request = triggerRequest({ orgId });
    await record(request);
    await eventually(() => expect(seen(reader)).toEqual([request.invocationId]));
    const stoppedAt = performance.now();
    await executions.stopService(1);
    expect(performance.now() - stoppedAt).toBeLessThan(4_500);
    await eventually(() => expect(reader.events.at(-1)).toMatchObject({ event: 'cut_off', data: { reason: 'shutting_down' } }));
    const next = triggerRequest({ orgId });
    await record(next);
    const again = await open('', { lastEventId: reader.lastId! });
    await eventually(() => expect(seen(again)).toEqual([next.invocationId]));
    again.close();
  });

  it('keeps a bounded buffer for one that takes nothing, and serves the others', async () => {
    const stalled = await openAndStall(executions.addressOf(0), `/v1/orgs/${orgId}/executions/stream`);
    const reader = await open(`?cloudFunctionId=${functionId}`);
    const long = 'x'.repeat(30_000);
    const requests = Array.from({ length: 400 }, (_, number) =>
      triggerRequest({ orgId, ...(number === 399 ? { cloudFunctionId: functionId } : {}) }),
    );
    await executions.publish(triggerInvocationResults, ...requests.map((request) => succeeded(request, { returnValue: long })));
    await eventually(() => expect(seen(reader)).toEqual([requests.at(-1)!.invocationId]), 30_000);
    const closed = new Promise((resolve) => stalled.once('close', resolve));
    await eventually(async () => {
      const metrics = await (await fetch(`${executions.addressOf(0)}/metrics`)).text();
      expect(metrics).toContain('cf_executions_streams_cut_off_total{reason="slow_reader"} 1');
    }, 30_000);
    stalled.destroy();
    await closed;
    reader.close();
  });
});

describe('a live stream whose changes are kept for a second', () => {
  it('cuts off a reader that falls further behind, and tells it of the gap when it comes back', async () => {
    const executions = await RunningExecutions.start({ EXECUTIONS_STREAM_RESUME_MS: '1000', EXECUTIONS_STREAM_STUCK_MS: '60000' });
    try {
      const orgId = await executions.addOrganization();
      const path = `/v1/orgs/${orgId}/executions/stream`;
      await eventually(async () => expect((await executions.get(`/v1/orgs/${orgId}/executions`)).status).toBe(200));
      const stalled = await openAndStall(executions.addressOf(0), path);
      const requests = Array.from({ length: 400 }, () => triggerRequest({ orgId }));
      await executions.publish(
        triggerInvocationResults,
        ...requests.map((request) => succeeded(request, { returnValue: 'x'.repeat(30_000) })),
      );
      await eventually(async () => expect(await executions.recorded()).toBe(true));
      await eventually(async () => {
        const { rows } = await executions.sql.query(
          `SELECT now() - max(changed_at) > interval '2 seconds' AS late FROM executions.execution_changes`,
        );
        expect(rows).toEqual([{ late: true }]);
      });
      let heard = '';
      stalled.on('data', (chunk) => (heard += String(chunk)));
      stalled.resume();
      await eventually(() => expect(heard).toMatch(/^id: .+\nevent: cut_off\ndata: {"reason":"position_not_kept"}$/m));
      stalled.destroy();
      const lastEventId = [...heard.matchAll(/^id: (.*)$/gm)].at(-1)![1]!;
      const back = await StreamReader.open(`${executions.addressOf(0)}${path}`, { lastEventId });
      await eventually(() => expect(back.events[0]).toMatchObject({ event: 'gap', data: { reason: 'position_not_kept' } }));
      back.close();
    } finally {
      await executions.stop();
    }
  });
});
