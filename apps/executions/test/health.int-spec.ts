/** Real: Postgres, HTTP, two processes' worth of the service, which may fold one at a time. In memory: the log. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  type Attempt,
  type InvocationRequest,
  type InvocationResult,
  stepInvocationResults,
  stepResults,
  triggerInvocationResults,
} from '@cf/contract';
import { eventually } from '@cf/testing';
import { again, attemptOf, deferred, failed, inMs, retrying, stepRequest, stepResultOf, succeeded, triggerRequest } from './messages.js';
import { RunningExecutions } from './running-executions.js';
import { StreamReader } from './stream-reader.js';

describe('the health of a function', () => {
  let executions: RunningExecutions;
  let orgId: string;

  const addFunction = async (): Promise<string> => {
    const id = randomUUID();
    await executions.setFunction(orgId, id);
    return id;
  };
  const health = (id: string, token?: string, org = orgId) => executions.get(`/v1/orgs/${org}/cloud-functions/${id}/health`, token);
  const notifications = async (id: string, query = '') =>
    (await executions.get(`/v1/orgs/${orgId}/notifications?limit=100&cloudFunctionId=${id}${query}`)).body.data;
  const publish = (...results: InvocationResult[]) => executions.publish(triggerInvocationResults, ...results);
  const called = (request: InvocationRequest, over: Partial<Attempt> = {}): Partial<InvocationResult> => ({
    attempts: [attemptOf(request, over)],
  });
  const succeed = (cloudFunctionId: string, count: number, over: Partial<Attempt> = {}) =>
    publish(
      ...Array.from({ length: count }, () => triggerRequest({ orgId, cloudFunctionId })).map((request) =>
        succeeded(request, called(request, over)),
      ),
    );
  const fail = (cloudFunctionId: string, count: number) =>
    publish(...Array.from({ length: count }, () => failed(triggerRequest({ orgId, cloudFunctionId }))));

  const sayOpen = (cloudFunctionId: string, worker: string, ms: number) =>
    publish(
      deferred(triggerRequest({ orgId, cloudFunctionId }), inMs(3_600_000), {
        circuit: { state: 'open', worker },
        completedAt: inMs(ms).toISOString(),
      }),
    );
  /** Oldest first. */
  const circuitTypes = async (id: string) =>
    (await notifications(id, '&type=circuit_opened&type=circuit_closed')).map(({ type }: { type: string }) => type).toReversed();

  beforeAll(async () => {
    executions = await RunningExecutions.start({ EXECUTIONS_HEALTH_FOLD_EVERY_MS: '20' });
    await executions.startService();
    orgId = await executions.addOrganization();
  });
  afterAll(() => executions.stop());

  it('counts calls, failures, durations, default paths and waiting work by window', async () => {
    const id = await addFunction();
    const requests = Array.from({ length: 10 }, () => triggerRequest({ orgId, cloudFunctionId: id }));
    const results = requests.map((request, number) =>
      number < 7
        ? succeeded(request, called(request, { durationMs: 100 }))
        : failed(request, called(request, { durationMs: 2_000, httpStatus: null, failureReason: 'timeout' })),
    );
    await publish(...results, retrying(triggerRequest({ orgId, cloudFunctionId: id }), inMs(3_600_000), { attempts: [] }));
    const old = triggerRequest({ orgId, cloudFunctionId: id });
    await publish(succeeded(old, called(old, { startedAt: inMs(-3 * 3_600_000).toISOString() })));
    const steps = [stepRequest({ orgId, cloudFunctionId: id }), stepRequest({ orgId, cloudFunctionId: id })] as const;
    for (const [number, step] of steps.entries()) {
      await executions.publish(stepInvocationResults, succeeded(step, called(step, { durationMs: 100 })));
      const branch = number === 0 ? {} : { branch: { kind: 'default' as const, option: null }, branchReason: 'default_empty' as const };
      await executions.publish(stepResults, stepResultOf(step, branch));
    }
    const test = triggerRequest({ orgId, cloudFunctionId: id, test: true });
    await publish(failed(test));
    const body = await eventually(async () => {
      const answer = await health(id);
      expect(answer.body.windows['24h']).toMatchObject({ calls: 13, steps: 2 });
      return answer.body;
    });
    expect(body.windows['1h']).toMatchObject({
      calls: 12,
      failedCalls: 3,
      successShare: 0.75,
      failureReasons: { timeout: 3 },
      steps: 2,
      defaultShare: 0.5,
      deadLettered: 3,
    });
    const { p50, p95, p99 } = body.windows['1h'].durationMs;
    expect(Math.abs(p50 - 100)).toBeLessThan(5);
    for (const one of [p95, p99]) expect(Math.abs(one - 2_000)).toBeLessThan(100);
    expect(body.windows['7d'].calls).toBe(13);
    expect(body.waiting).toMatchObject({ count: 1, isMore: false });
    expect(body.circuits).toEqual({ step: { state: 'closed', workers: [] }, trigger: { state: 'closed', workers: [] } });
  });

  it('counts a result once, however often and from wherever it comes', async () => {
    const id = await addFunction();
    const request = triggerRequest({ orgId, cloudFunctionId: id });
    const first = retrying(request, inMs(3_600_000));
    const second = failed(again(request));
    const step = stepRequest({ orgId, cloudFunctionId: id });
    const answer = stepResultOf(step);
    for (let times = 0; times < 3; times++) {
      await publish(second, first, first);
      await executions.publish(stepResults, answer);
      await eventually(async () => expect(await executions.recorded([triggerInvocationResults, stepResults])).toBe(true));
    }
    const marker = await addFunction();
    await succeed(marker, 1);
    await eventually(async () => expect((await health(marker)).body.windows['1h'].calls).toBe(1));
    expect((await health(id)).body.windows['1h']).toMatchObject({ calls: 2, failedCalls: 2, deadLettered: 1, steps: 1 });
  });

  it('counts what was not called apart from calls', async () => {
    const id = await addFunction();
    const request = triggerRequest({ orgId, cloudFunctionId: id });
    await publish(deferred(request, inMs(3_600_000)));
    await publish(
      failed(triggerRequest({ orgId, cloudFunctionId: id }), { attempts: [], failureReason: 'function_disabled', httpStatus: null }),
    );
    await eventually(async () =>
      expect((await health(id)).body.windows['1h']).toMatchObject({
        calls: 0,
        successShare: null,
        durationMs: null,
        uncalled: { circuit_open: 1, function_disabled: 1 },
      }),
    );
  });

  it('shows the circuit of each worker, and tells when the first opens and the last closes', async () => {
    const id = await addFunction();
    const say = (worker: string, state: 'open' | 'half_open' | 'closed', second: number) =>
      publish(
        deferred(triggerRequest({ orgId, cloudFunctionId: id }), inMs(3_600_000), {
          circuit: { state, worker },
          completedAt: new Date(startMs + second * 1_000).toISOString(),
        }),
      );
    const startMs = Date.now();
    const states = async () => {
      const { trigger } = (await health(id)).body.circuits;
      return [trigger.state, ...trigger.workers.map(({ worker, state }: { worker: string; state: string }) => `${worker} ${state}`)];
    };
    const types = async () => (await notifications(id)).map(({ type }: { type: string }) => type);
    await say('worker-1', 'open', 1);
    await eventually(async () => expect(await types()).toEqual(['circuit_opened']));
    await say('worker-2', 'open', 2);
    await eventually(async () => expect(await states()).toEqual(['open', 'worker-1 open', 'worker-2 open']));
    await say('worker-1', 'half_open', 3);
    await eventually(async () => expect(await states()).toEqual(['open', 'worker-1 half_open', 'worker-2 open']));
    await say('worker-1', 'closed', 4);
    await eventually(async () => expect(await states()).toEqual(['open', 'worker-1 closed', 'worker-2 open']));
    await say('worker-1', 'open', 1);
    await say('worker-2', 'half_open', 5);
    await eventually(async () => expect(await states()).toEqual(['half_open', 'worker-1 closed', 'worker-2 half_open']));
    expect(await types()).toEqual(['circuit_opened']);
    await say('worker-2', 'closed', 6);
    await eventually(async () => expect(await types()).toEqual(['circuit_closed', 'circuit_opened']));
    expect((await notifications(id))[0]).toMatchObject({ details: { lane: 'trigger' } });
  });

  it('takes no circuit for open whose worker said nothing for as long as it knows one, and tells that it is closed', async () => {
    const id = await addFunction();
    const trigger = async () => (await health(id)).body.circuits.trigger;
    await sayOpen(id, 'worker-gone', -11 * 60_000);
    await eventually(async () =>
      expect(await trigger()).toMatchObject({ state: 'closed', workers: [{ worker: 'worker-gone', state: 'open' }] }),
    );
    await sayOpen(id, 'worker-here', -9 * 60_000);
    await eventually(async () => expect(await trigger()).toMatchObject({ state: 'open' }));
    await eventually(async () => expect(await circuitTypes(id)).toEqual(['circuit_opened']));
    await executions.sql.query(`UPDATE executions.function_circuits SET at = at - interval '1 minute' WHERE cloud_function_id = $1`, [id]);
    await eventually(async () => expect(await circuitTypes(id)).toEqual(['circuit_opened', 'circuit_closed']));
    expect(await trigger()).toMatchObject({ state: 'closed' });
    await sayOpen(id, 'worker-next', 0);
    await eventually(async () => expect(await circuitTypes(id)).toEqual(['circuit_opened', 'circuit_closed', 'circuit_opened']));
  });

  it('takes a circuit for closed that was reset, and tells the outages before and after it apart', async () => {
    const id = await addFunction();
    const trigger = async () => (await health(id)).body.circuits.trigger;
    await sayOpen(id, 'worker-1', -60_000);
    await eventually(async () => expect(await circuitTypes(id)).toEqual(['circuit_opened']));
    await executions.setFunction(orgId, id, { circuitResetAt: inMs(-30_000).toISOString() });
    await eventually(async () => expect(await trigger()).toEqual({ state: 'closed', workers: [] }));
    await eventually(async () => expect(await circuitTypes(id)).toEqual(['circuit_opened', 'circuit_closed']));
    // Of a worker that had not heard of the reset yet, and a marker behind it.
    await sayOpen(id, 'worker-2', -29_000);
    await fail(id, 1);
    await eventually(async () => expect((await notifications(id, '&type=retries_exhausted')).length).toBe(1));
    expect(await circuitTypes(id)).toEqual(['circuit_opened', 'circuit_closed']);
    expect(await trigger()).toEqual({ state: 'closed', workers: [] });
    await sayOpen(id, 'worker-1', -10_000);
    await eventually(async () => expect(await circuitTypes(id)).toEqual(['circuit_opened', 'circuit_closed', 'circuit_opened']));
    expect(await trigger()).toMatchObject({ state: 'open', workers: [{ worker: 'worker-1', state: 'open' }] });
  });

  it('tells each level of failure once until it is better than that again', async () => {
    const id = await addFunction();
    const levels = async () =>
      (await notifications(id, '&type=function_failing')).map(({ details }: { details: { level: number } }) => details.level);
    await fail(id, 19);
    await eventually(async () => expect((await health(id)).body.windows['1h'].calls).toBe(19));
    expect(await levels()).toEqual([]);
    await fail(id, 1);
    await eventually(async () => expect(await levels()).toEqual([100]));
    await succeed(id, 15);
    await eventually(async () => expect((await health(id)).body.windows['1h'].calls).toBe(35));
    await fail(id, 2);
    await eventually(async () => expect((await health(id)).body.windows['1h'].calls).toBe(37));
    expect(await levels()).toEqual([100]);
    await succeed(id, 20);
    await eventually(async () => expect((await health(id)).body.windows['1h'].calls).toBe(57));
    await fail(id, 30);
    await eventually(async () => expect(await levels()).toEqual([50, 100]));
    expect((await notifications(id, '&type=function_failing'))[0].details).toMatchObject({ windowMinutes: 10 });
  });

  it('tells a level of failure again after a time in which the function was too quiet to tell', async () => {
    const id = await addFunction();
    const levels = async () =>
      (await notifications(id, '&type=function_failing')).map(({ details }: { details: { level: number } }) => details.level);
    const passDay = async () => {
      for (const [table, column] of [
        ['function_health', 'bucket_at'],
        ['function_failures', 'reached_at'],
      ])
        await executions.sql.query(`UPDATE executions.${table} SET ${column} = ${column} - interval '1 day' WHERE cloud_function_id = $1`, [
          id,
        ]);
    };
    await fail(id, 25);
    await eventually(async () => expect(await levels()).toEqual([100]));
    await passDay();
    await succeed(id, 15);
    await eventually(async () => expect((await health(id)).body.windows['1h'].calls).toBe(15));
    expect(await levels()).toEqual([100]);
    await passDay();
    await fail(id, 20);
    await eventually(async () => expect(await levels()).toEqual([100, 100]));
  });

  it('counts what claims to come from the future, or from before all time, once and lets it pass', async () => {
    const id = await addFunction();
    const windows = async () => (await health(id)).body.windows;
    const requests = [inMs(400 * 86_400_000).toISOString(), '9999-12-31T23:59:59-12:00', '0001-01-01T00:00:00+12:00'].map(
      (startedAt) => [triggerRequest({ orgId, cloudFunctionId: id }), startedAt] as const,
    );
    await publish(...requests.map(([request, startedAt]) => succeeded(request, called(request, { startedAt }))));
    await eventually(async () => expect(await windows()).toMatchObject({ '1h': { calls: 2 }, '7d': { calls: 2 } }));
    await executions.sql.query(
      `UPDATE executions.function_health SET bucket_at = bucket_at - interval '2 hours' WHERE cloud_function_id = $1`,
      [id],
    );
    // A bucket of the release before, which wrote down what it was told.
    await executions.sql.query(
      `INSERT INTO executions.function_health (org_id, cloud_function_id, span, bucket_at, tally)
       SELECT org_id, cloud_function_id, span, now() + interval '400 days', tally FROM executions.function_health WHERE cloud_function_id = $1 LIMIT 1`,
      [id],
    );
    expect(await windows()).toMatchObject({ '1h': { calls: 0 }, '24h': { calls: 2 }, '7d': { calls: 2 } });
  });

  it.each([-1, 1])('counts by the clock of the database when that of its processes is off by %i day', async (days) => {
    const id = await addFunction();
    const requests = Array.from({ length: 20 }, () => triggerRequest({ orgId, cloudFunctionId: id }));
    const results = requests.map((request) => failed(request, called(request, { httpStatus: 500, failureReason: 'http_status' })));
    const machine = Date.now.bind(Date);
    jest.spyOn(Date, 'now').mockImplementation(() => machine() + days * 86_400_000);
    try {
      await publish(...results);
      await eventually(async () => expect((await health(id)).body.windows['1h']).toMatchObject({ calls: 20, deadLettered: 20 }));
      expect((await notifications(id, '&type=function_failing')).length).toBe(1);
    } finally {
      jest.restoreAllMocks();
    }
    expect((await health(id)).body.windows['1h']).toMatchObject({ calls: 20, deadLettered: 20 });
  });

  it('tells a circuit by what was said last, whatever the clock of its worker', async () => {
    const id = await addFunction();
    const say = (state: 'open' | 'closed', completedAt: Date) =>
      publish(
        deferred(triggerRequest({ orgId, cloudFunctionId: id }), inMs(3_600_000), {
          circuit: { state, worker: 'worker-1' },
          completedAt: completedAt.toISOString(),
        }),
      );
    const state = async () => (await health(id)).body.circuits.trigger.state;
    await say('open', inMs(400 * 86_400_000));
    await eventually(async () => expect(await state()).toBe('open'));
    await say('closed', inMs(1_000));
    await eventually(async () => expect(await state()).toBe('closed'));
  });

  it('leaves out what cannot be folded, counts it, and goes on with all that was noted before and after', async () => {
    const id = await addFunction();
    const leftOut = async () => {
      const texts = await Promise.all([0, 1].map(async (index) => (await fetch(`${executions.addressOf(index)}/metrics`)).text()));
      return texts.reduce((sum, text) => sum + Number(/^cf_executions_health_left_out_total (\d+)/m.exec(text)?.[1] ?? 0), 0);
    };
    const holder = await executions.sql.connect();
    try {
      // Held back, so that good and bad are taken together.
      await holder.query(`SELECT pg_advisory_lock(hashtext('cloud-functions health'))`);
      await succeed(id, 3);
      await eventually(async () => expect(await executions.recorded()).toBe(true));
      await executions.sql.query(`INSERT INTO executions.health_deltas (deltas) VALUES ('[[1, 2'), ('{}'), ('[["no id", "none", 0, {}]]')`);
      await fail(id, 20);
      await eventually(async () => expect(await executions.recorded()).toBe(true));
    } finally {
      await holder.query('SELECT pg_advisory_unlock_all()');
      holder.release();
    }
    await eventually(async () => expect((await health(id)).body.windows['1h']).toMatchObject({ calls: 23, failedCalls: 20 }));
    await eventually(async () => expect((await notifications(id, '&type=function_failing')).length).toBe(1));
    expect(await leftOut()).toBe(3);
  });

  it('tells invocations that ended without success as one notification with a count, also to who streams', async () => {
    const id = await addFunction();
    const reader = await StreamReader.open(`${executions.addressOf(1)}/v1/orgs/${orgId}/notifications/stream`);
    const told = () => reader.events.filter(({ data }) => data.cloudFunctionId === id).map(({ data }) => data.count);
    await fail(id, 2);
    await eventually(() => expect(told()).toEqual([2]));
    await fail(id, 3);
    await eventually(() => expect(told().at(-1)).toBe(5));
    expect(await notifications(id)).toMatchObject([{ type: 'retries_exhausted', count: 5, details: {} }]);
    const back = await StreamReader.open(`${executions.addressOf(0)}/v1/orgs/${orgId}/notifications/stream?lastEventId=0`);
    await eventually(() => expect(back.events.find(({ data }) => data.cloudFunctionId === id)?.data.count).toBe(5));
    for (const one of [reader, back]) one.close();
    expect((await StreamReader.open(`${executions.addressOf(0)}/v1/orgs/${orgId}/notifications/stream?lastEventId=x`)).status).toBe(400);
  });

  it('tells a reader that comes back of a gap when some of what it missed is not kept, and then what is', async () => {
    const open = (path: string, lastEventId: string) =>
      StreamReader.open(`${executions.addressOf(0)}/v1/${path}notifications/stream`, { lastEventId });
    const gap = { event: 'gap', data: { reason: 'position_not_kept' } };
    const other = await executions.addOrganization();
    const live = await open(`orgs/${orgId}/`, '0');
    const ids: string[] = [];
    for (const place of [0, 1, 2]) {
      ids.push(await addFunction());
      await fail(ids[place]!, 1);
      await eventually(() => expect(live.events.at(-1)!.data.cloudFunctionId).toBe(ids[place]));
    }
    live.close();
    const [heard, gone, kept] = live.events.slice(-3).map(({ id }) => id!) as [string, string, string];
    const events = (place: string, cloudFunctionId: string) => [gap, { id: place, event: 'notification', data: { cloudFunctionId } }];
    await executions.sql.query(
      `UPDATE executions.notifications SET created_at = created_at - interval '31 days' WHERE cloud_function_id = $1`,
      [ids[1]],
    );
    // A start tidies at once.
    await executions.startService();
    await eventually(async () => expect(await notifications(ids[1]!)).toEqual([]));
    for (const path of [`orgs/${orgId}/`, '']) {
      const [late, inTime] = [await open(path, heard), await open(path, gone)];
      await eventually(() => expect(late.events).toMatchObject(events(kept, ids[2]!)));
      await eventually(() => expect(inTime.events).toMatchObject(events(kept, ids[2]!).slice(1)));
      for (const one of [late, inTime]) one.close();
    }
    const [stranger, ahead] = [await open(`orgs/${other}/`, heard), await open(`orgs/${orgId}/`, '999999999999')];
    await fail(ids[0]!, 1);
    await publish(failed(triggerRequest({ orgId: other, cloudFunctionId: randomUUID() })));
    await eventually(() => expect(ahead.events).toMatchObject([gap, { data: { cloudFunctionId: ids[0], count: 2 } }]));
    await eventually(() => expect(stranger.events).toMatchObject([{ event: 'notification', data: { orgId: other } }]));
    for (const one of [stranger, ahead]) one.close();
  });

  it('tells what could not be sent again once, like any other end of retries', async () => {
    const id = await addFunction();
    const request = triggerRequest({ orgId, cloudFunctionId: id, triggerId: null });
    await publish(retrying(request, inMs(3_600_000), { attempts: [] }));
    const row = () => executions.get(`/v1/orgs/${orgId}/executions/${request.invocationId}`);
    await eventually(async () => expect((await row()).body.status).toBe('retrying'));
    await executions.sql.query('DELETE FROM executions.requests WHERE invocation_id = $1', [request.invocationId]);
    await executions.sql.query('UPDATE executions.due SET due_at = now() WHERE invocation_id = $1', [request.invocationId]);
    await eventually(async () => expect((await row()).body).toMatchObject({ status: 'dead_lettered', failureReason: 'internal' }));
    await eventually(async () => expect(await notifications(id)).toMatchObject([{ type: 'retries_exhausted', count: 1 }]));
    const { body } = await health(id);
    expect(body.windows['1h']).toMatchObject({ calls: 0, deadLettered: 1 });
    // A result that comes late after all and agrees says nothing new.
    await publish(failed({ ...request, seq: 1, attempt: 1 }));
    await succeed(id, 1);
    await eventually(async () => expect((await health(id)).body.windows['1h'].calls).toBe(2));
    expect(await notifications(id)).toMatchObject([{ type: 'retries_exhausted', count: 1 }]);
  });

  it('pages through notifications, and gives operators those of all organizations', async () => {
    const { body } = await executions.get(`/v1/orgs/${orgId}/notifications?limit=100`);
    const pages: { id: string }[] = [];
    let cursor: string | null = null;
    do {
      const page = await executions.get(`/v1/orgs/${orgId}/notifications?limit=2${cursor === null ? '' : `&cursor=${cursor}`}`);
      pages.push(...page.body.data);
      cursor = page.body.nextCursor;
    } while (cursor !== null);
    expect(pages).toEqual(body.data);
    expect((await executions.get('/v1/notifications?limit=100')).body.data.map(({ id }: { id: string }) => id)).toEqual(
      expect.arrayContaining(pages.map(({ id }) => id)),
    );
    const token = await executions.addToken(orgId, ['executions:read']);
    await eventually(async () => expect((await executions.get('/v1/notifications', token)).status).toBe(403));
    expect((await executions.get(`/v1/orgs/${orgId}/notifications?type=fire`)).status).toBe(400);
  });

  it('is nobody else’s business', async () => {
    const id = await addFunction();
    const other = await executions.addOrganization();
    const token = await executions.addToken(other, ['executions:read']);
    await eventually(async () => expect((await health(id, token, other)).status).toBe(404));
    expect((await health(id, token)).status).toBe(404);
    expect((await health(randomUUID())).status).toBe(404);
    expect((await executions.get(`/v1/orgs/${other}/notifications`, token)).body).toEqual({ data: [], nextCursor: null });
    expect((await executions.get(`/v1/orgs/${orgId}/notifications`, token)).status).toBe(404);
    const stranger = await StreamReader.open(`${executions.addressOf(0)}/v1/orgs/${other}/notifications/stream?lastEventId=0`, { token });
    const own = await StreamReader.open(`${executions.addressOf(0)}/v1/orgs/${orgId}/notifications/stream?lastEventId=0`);
    await eventually(() => expect(own.events.length).toBeGreaterThan(3));
    expect(stranger.events).toEqual([]);
    for (const one of [stranger, own]) one.close();
  });

  it('keeps five minutes for a day and hours for a week, with nothing lost between', async () => {
    const id = await addFunction();
    const requests = Array.from({ length: 6 }, () => triggerRequest({ orgId, cloudFunctionId: id }));
    const ages = [26, 26.2, 30, 190, 195, 0.1];
    await publish(
      ...requests.map((request, number) =>
        succeeded(request, called(request, { startedAt: inMs(-ages[number]! * 3_600_000).toISOString() })),
      ),
    );
    await eventually(async () => expect((await health(id)).body.windows['7d'].calls).toBe(4));
    // A start tidies at once.
    await executions.startService();
    await eventually(async () => {
      const { rows } = await executions.sql.query(
        `SELECT span, sum((tally->>'calls')::integer)::integer AS calls FROM executions.function_health WHERE cloud_function_id = $1 GROUP BY span ORDER BY span`,
        [id],
      );
      expect(rows).toEqual([
        { span: '1h', calls: 4 },
        { span: '5m', calls: 1 },
      ]);
    });
    expect((await health(id)).body.windows).toMatchObject({ '24h': { calls: 1 }, '7d': { calls: 4 } });
  });
});
