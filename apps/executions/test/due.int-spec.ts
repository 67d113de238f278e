/** Real: Postgres, HTTP, the consumers, the claimer. In memory: the log. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type InvocationRequest, triggerInvocationResults } from '@cf/contract';
import { eventually } from '@cf/testing';
import { again, deferred, failed, inMs, retrying, succeeded, suppressed, triggerRequest } from './messages.js';
import { RunningExecutions } from './running-executions.js';

const HOUR_MS = 3_600_000;

describe('due work', () => {
  let executions: RunningExecutions;
  let orgId: string;
  let triggerId: string;

  beforeAll(async () => {
    executions = await RunningExecutions.start();
    orgId = await executions.addOrganization();
    triggerId = randomUUID();
    await executions.setTrigger(orgId, triggerId);
  });
  afterAll(() => executions.stop());

  const path = (invocationId: string): string => `/v1/orgs/${orgId}/executions/${invocationId}`;
  const execution = (invocationId: string, expected: object) =>
    eventually(async () => {
      const { body } = await executions.get(path(invocationId));
      expect(body).toMatchObject(expected);
      return body;
    });
  const sentOnce = (invocationId: string): Promise<InvocationRequest> =>
    eventually(() => {
      const sent = executions.sentOf(invocationId);
      expect(sent).toHaveLength(1);
      return sent[0]!;
    });
  const retry = (invocationId: string, token?: string) =>
    executions.request('POST', `${path(invocationId)}/retries`, token === undefined ? {} : { token });

  it('sends a retry when it is due and not before, with the next seq and attempt, byte for byte', async () => {
    const request = triggerRequest({ orgId, triggerId, body: '{ "type":"ChatOpened", "big": 12345678901234567890.10, "é":"\\u0000" }' });
    const dueAt = inMs(700);
    await executions.publish(triggerInvocationResults, retrying(request, dueAt));
    await execution(request.invocationId, { status: 'retrying', nextAttemptAt: dueAt.toISOString() });
    const sent = await sentOnce(request.invocationId);
    expect(Date.now()).toBeGreaterThanOrEqual(dueAt.getTime());
    expect(sent).toEqual({ ...request, seq: 1, attempt: 2, configOffset: expect.any(Number) });
    await execution(request.invocationId, { status: 'queued', nextAttemptAt: null });
    await executions.publish(triggerInvocationResults, succeeded(sent));
    await execution(request.invocationId, { status: 'succeeded', attemptCount: 2 });
  });

  it('keeps the attempt number over a deferral', async () => {
    const request = triggerRequest({ orgId, triggerId });
    await executions.publish(triggerInvocationResults, deferred(request, inMs(0), { deferReason: 'rate_limited' }));
    expect(await sentOnce(request.invocationId)).toMatchObject({ seq: 1, attempt: 1, origin: 'automatic', acceptedAt: request.acceptedAt });
  });

  it('schedules nothing by a result that is old or comes again', async () => {
    const request = triggerRequest({ orgId, triggerId });
    const first = retrying(request, inMs(0));
    await executions.publish(triggerInvocationResults, first);
    const sent = await sentOnce(request.invocationId);
    await executions.publish(triggerInvocationResults, failed(sent));
    await execution(request.invocationId, { status: 'dead_lettered' });
    await executions.publish(triggerInvocationResults, first, first, retrying(request, inMs(0)));
    await execution(request.invocationId, { status: 'dead_lettered', attemptCount: 3 });
    const { rows } = await executions.sql.query('SELECT FROM executions.due WHERE invocation_id = $1', [request.invocationId]);
    expect(rows).toHaveLength(0);
    expect(executions.sentOf(request.invocationId)).toHaveLength(1);
  });

  it('sends a dead-lettered execution again when a person asks, once', async () => {
    const request = triggerRequest({ orgId, triggerId });
    await executions.publish(triggerInvocationResults, failed(request));
    await execution(request.invocationId, { status: 'dead_lettered' });
    const answer = await retry(request.invocationId);
    expect(answer).toMatchObject({ status: 202, body: { invocationId: request.invocationId, status: 'queued', completedAt: null } });
    const sent = await sentOnce(request.invocationId);
    expect(sent).toMatchObject({ seq: 1, attempt: 2, origin: 'manual_retry', body: request.body });
    await execution(request.invocationId, { status: 'queued', nextAttemptAt: null });
    expect(await retry(request.invocationId)).toMatchObject({ status: 409, body: { code: 'in_progress' } });
    // A late twin of the first sending: shown as an attempt, but the answer to the retry is what counts now.
    await executions.publish(triggerInvocationResults, failed(request));
    await execution(request.invocationId, { status: 'queued', attemptCount: 2 });
    await executions.publish(triggerInvocationResults, succeeded(sent));
    await execution(request.invocationId, { status: 'succeeded', attemptCount: 3 });
    expect(await retry(request.invocationId)).toMatchObject({ status: 409, body: { code: 'already_succeeded' } });
  });

  it('brings a retry that waits forward, and sends it once', async () => {
    const request = triggerRequest({ orgId, triggerId });
    await executions.publish(triggerInvocationResults, retrying(request, inMs(HOUR_MS)));
    await execution(request.invocationId, { status: 'retrying' });
    const answers = await Promise.all([retry(request.invocationId), retry(request.invocationId)]);
    expect(answers.map(({ status }) => status)).toContain(202);
    expect(await sentOnce(request.invocationId)).toMatchObject({ seq: 1, attempt: 2, origin: 'manual_retry' });
  });

  it('sends a suppressed execution when a person asks', async () => {
    const request = triggerRequest({ orgId, triggerId });
    await executions.publish(triggerInvocationResults, suppressed(request));
    await execution(request.invocationId, { status: 'suppressed' });
    expect((await retry(request.invocationId)).status).toBe(202);
    expect(await sentOnce(request.invocationId)).toMatchObject({ seq: 1, attempt: 1, origin: 'manual_retry' });
  });

  it('cancels what waits when its trigger is disabled or deleted', async () => {
    for (const end of [(id: string) => executions.setTrigger(orgId, id, false), (id: string) => executions.deleteTrigger(id)]) {
      const ended = randomUUID();
      await executions.setTrigger(orgId, ended);
      const request = triggerRequest({ orgId, triggerId: ended });
      await executions.publish(triggerInvocationResults, retrying(request, inMs(HOUR_MS)));
      await execution(request.invocationId, { status: 'retrying' });
      await end(ended);
      await execution(request.invocationId, { status: 'cancelled', nextAttemptAt: null });
      expect(await retry(request.invocationId)).toMatchObject({ status: 409, body: { code: 'trigger_inactive' } });
      expect(executions.sentOf(request.invocationId)).toEqual([]);
    }
  });

  it('cancels at its due time what belongs to a trigger that is gone', async () => {
    const request = triggerRequest({ orgId, triggerId: randomUUID() });
    await executions.publish(triggerInvocationResults, retrying(request, inMs(0)));
    await execution(request.invocationId, { status: 'cancelled' });
    expect(executions.sentOf(request.invocationId)).toEqual([]);
  });

  it('does not wait for the times that were set while the clock of Postgres had jumped ahead', async () => {
    const [taken, held] = [triggerRequest({ orgId, triggerId }), triggerRequest({ orgId, triggerId, cloudFunctionId: randomUUID() })];
    await executions.publish(triggerInvocationResults, retrying(taken, inMs(HOUR_MS)), deferred(held, inMs(HOUR_MS)));
    await execution(taken.invocationId, { status: 'retrying' });
    await execution(held.invocationId, { status: 'queued' });
    const { rowCount } = await executions.sql.query(
      `UPDATE executions.held_functions SET next_release_at = now() + interval '1 day' WHERE cloud_function_id = $1`,
      [held.cloudFunctionId],
    );
    expect(rowCount).toBe(1);
    await executions.sql.query(
      `UPDATE executions.due SET due_at = now(), leased_until = now() + interval '1 day' WHERE invocation_id = ANY($1)`,
      [[taken.invocationId, held.invocationId]],
    );
    await sentOnce(taken.invocationId);
    await sentOnce(held.invocationId);
  });

  it('goes on after Postgres cut its connections, and sends each once', async () => {
    const requests = Array.from({ length: 300 }, () => triggerRequest({ orgId, triggerId }));
    await executions.publish(triggerInvocationResults, ...requests.map((request) => retrying(request, inMs(300))));
    for (let cut = 0; cut < 10; cut++) {
      await executions.cutConnections();
      await executions.sql.query('SELECT pg_sleep(0.1)');
    }
    await eventually(async () => {
      for (const { invocationId } of requests) expect(executions.sentOf(invocationId).map(({ seq }) => seq)).toEqual([1]);
      const { rows } = await executions.sql.query('SELECT FROM executions.due WHERE trigger_id = $1', [triggerId]);
      expect(rows).toHaveLength(0);
    }, 30_000);
  });
});

describe('the claimer', () => {
  it('waits until the answers that lay in the log are recorded', async () => {
    const executions = await RunningExecutions.start();
    try {
      const orgId = await executions.addOrganization();
      const triggerId = randomUUID();
      await executions.setTrigger(orgId, triggerId);
      const requests = Array.from({ length: 500 }, () => triggerRequest({ orgId, triggerId }));
      await executions.publish(triggerInvocationResults, ...requests.map((request) => retrying(request, inMs(HOUR_MS))));
      await eventually(async () => expect(await executions.recorded()).toBe(true));
      await executions.stopServices();
      await executions.changeDue('due_at = now()');
      await executions.publish(triggerInvocationResults, ...requests.map((request) => succeeded(again(request))));
      await executions.startService();
      await eventually(async () => expect(await executions.recorded()).toBe(true));
      await eventually(async () => {
        const { rows } = await executions.sql.query<{ count: string }>(
          `SELECT count(*) FROM executions.executions WHERE status = 'succeeded'`,
        );
        expect(Number(rows[0]!.count)).toBe(requests.length);
      });
      expect(executions.sent).toEqual([]);
    } finally {
      await executions.stop();
    }
  });

  it('shares the work with others, each sending once', async () => {
    const executions = await RunningExecutions.start({ EXECUTIONS_CLAIM_MAX: '7' });
    try {
      await executions.startService();
      const orgId = await executions.addOrganization();
      const triggerId = randomUUID();
      await executions.setTrigger(orgId, triggerId);
      const requests = Array.from({ length: 300 }, () => triggerRequest({ orgId, triggerId }));
      await executions.publish(triggerInvocationResults, ...requests.map((request) => retrying(request, inMs(500))));
      await eventually(() => expect(new Set(executions.sent.map(({ invocationId }) => invocationId)).size).toBe(requests.length));
      await eventually(async () => {
        const { rows } = await executions.sql.query('SELECT FROM executions.due');
        expect(rows).toHaveLength(0);
      });
      expect(executions.sent).toHaveLength(requests.length);
    } finally {
      await executions.stop();
    }
  });

  it('releases a held function a few at a time, and twice as many after a success', async () => {
    const executions = await RunningExecutions.start({ EXECUTIONS_RELEASE_EVERY_MS: '600000', EXECUTIONS_RELEASE_FIRST: '2' });
    try {
      const orgId = await executions.addOrganization();
      const triggerId = randomUUID();
      await executions.setTrigger(orgId, triggerId);
      const cloudFunctionId = randomUUID();
      const requests = Array.from({ length: 30 }, () => triggerRequest({ orgId, triggerId, cloudFunctionId }));
      const held = inMs(0);
      await executions.publish(
        triggerInvocationResults,
        ...requests.map((request, index) =>
          deferred(request, held, { deferReason: (['circuit_open', 'rate_limited', 'quota'] as const)[index % 3]! }),
        ),
      );
      const releaseNow = () => executions.sql.query('UPDATE executions.held_functions SET next_release_at = now()');
      const released = async (count: number): Promise<void> => {
        await eventually(() => expect(executions.sent).toHaveLength(count));
        await eventually(async () => {
          const { rows } = await executions.sql.query('SELECT FROM executions.due');
          expect(rows).toHaveLength(requests.length - count);
        });
      };
      await eventually(async () => expect(await executions.recorded()).toBe(true));
      const before = executions.sent.length;
      await releaseNow();
      await released(before + 2);
      await executions.publish(triggerInvocationResults, succeeded(executions.sent[0]!));
      await eventually(async () => {
        const { rows } = await executions.sql.query('SELECT release_limit FROM executions.held_functions');
        expect(rows).toEqual([{ release_limit: 4 }]);
      });
      await releaseNow();
      await released(before + 6);
      await executions.publish(triggerInvocationResults, deferred(executions.sent[1]!, inMs(HOUR_MS)));
      await eventually(async () => {
        const { rows } = await executions.sql.query('SELECT release_limit FROM executions.held_functions');
        expect(rows).toEqual([{ release_limit: 2 }]);
      });
    } finally {
      await executions.stop();
    }
  });
});
