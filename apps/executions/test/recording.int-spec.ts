/** Real: Postgres, HTTP, the consumers. In memory: the log. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { deadLetters, stepInvocationResults, stepResults, triggerInvocationResults } from '@cf/contract';
import { eventually } from '@cf/testing';
import {
  again,
  attemptOf,
  deferred,
  failed,
  inMs,
  retrying,
  stepRequest,
  stepResultOf,
  succeeded,
  suppressed,
  triggerRequest,
} from './messages.js';
import { RunningExecutions } from './running-executions.js';

describe('recording', () => {
  let executions: RunningExecutions;
  let orgId: string;
  const triggerId = randomUUID();

  beforeAll(async () => {
    executions = await RunningExecutions.start();
    orgId = await executions.addOrganization();
    await executions.setTrigger(orgId, triggerId);
  });
  afterAll(() => executions.stop());

  const execution = (invocationId: string, expected: object) =>
    eventually(async () => {
      const { status, body } = await executions.get(`/v1/orgs/${orgId}/executions/${invocationId}`);
      expect(status).toBe(200);
      expect(body).toMatchObject(expected);
      return body;
    });

  it('shows a trigger that succeeded, with its attempt', async () => {
    const request = triggerRequest({ orgId, triggerId });
    await executions.publish(triggerInvocationResults, succeeded(request));
    const body = await execution(request.invocationId, { status: 'succeeded' });
    expect(body).toMatchObject({
      kind: 'trigger',
      test: false,
      orgId,
      cloudFunctionId: request.cloudFunctionId,
      triggerId,
      event: request.event,
      step: null,
      chatId: request.chatId,
      branch: null,
      branchReason: null,
      returnValue: null,
      nextAttemptAt: null,
      attemptCount: 1,
      httpStatus: 200,
      createdAt: request.acceptedAt,
    });
    expect(body.attempts).toHaveLength(1);
    expect(body.attempts[0]).toMatchObject({ number: 1, origin: 'automatic', httpStatus: 200, failureReason: null });
    expect(Date.parse(body.completedAt)).toBeGreaterThanOrEqual(Date.parse(body.createdAt));
  });

  it('gives every disposition its status', async () => {
    const due = inMs(3_600_000);
    const cases = [
      { result: failed(triggerRequest({ orgId, triggerId })), status: 'dead_lettered', failureReason: 'http_status', nextAttemptAt: null },
      {
        result: failed(triggerRequest({ orgId, triggerId, test: true })),
        status: 'failed',
        failureReason: 'http_status',
        nextAttemptAt: null,
      },
      {
        result: retrying(triggerRequest({ orgId, triggerId }), due),
        status: 'retrying',
        failureReason: 'http_status',
        nextAttemptAt: due.toISOString(),
      },
      {
        result: deferred(triggerRequest({ orgId, triggerId }), due),
        status: 'queued',
        failureReason: null,
        nextAttemptAt: due.toISOString(),
      },
      { result: suppressed(triggerRequest({ orgId, triggerId })), status: 'suppressed', failureReason: null, nextAttemptAt: null },
    ];
    await executions.publish(triggerInvocationResults, ...cases.map(({ result }) => result));
    for (const { result, ...expected } of cases) await execution(result.request.invocationId, expected);
  });

  it('joins a step from both of its topics, whichever comes first', async () => {
    const requests = [stepRequest({ orgId }), stepRequest({ orgId })] as const;
    await executions.publish(stepInvocationResults, succeeded(requests[0], { returnValue: 'Scheduled' }));
    await execution(requests[0].invocationId, { status: 'queued', attemptCount: 1, branch: null });
    await executions.publish(stepResults, ...requests.map((request) => stepResultOf(request)));
    await execution(requests[1].invocationId, { status: 'succeeded', attemptCount: 0 });
    await executions.publish(stepInvocationResults, succeeded(requests[1], { returnValue: 'Scheduled' }));
    for (const request of requests) {
      const body = await execution(request.invocationId, { status: 'succeeded', attemptCount: 1 });
      expect(body).toMatchObject({
        kind: 'step',
        branch: { kind: 'option', option: 'Scheduled' },
        branchReason: 'matched',
        returnValue: 'Scheduled',
        durationMs: 184,
        step: request.step,
        createdAt: request.acceptedAt,
      });
    }
  });

  it('records a step that was never called', async () => {
    const request = stepRequest({ orgId });
    const result = stepResultOf(request, {
      outcome: 'failed',
      branch: { kind: 'default', option: null },
      branchReason: 'no_failure_branch',
      failureReason: 'invalid_request',
      cloudFunctionId: 'not a uuid',
      httpStatus: null,
      returnValue: null,
      attempts: 0,
    });
    await executions.publish(stepResults, result);
    const body = await execution(request.invocationId, { status: 'failed', failureReason: 'invalid_request', cloudFunctionId: null });
    expect(body.step).toMatchObject({ requestId: request.step!.requestId, stepId: 'step-12', chatBotName: null });
    expect(body.attempts).toEqual([]);
  });

  it('keeps the first step result and records the attempt of a later one', async () => {
    const request = stepRequest({ orgId });
    await executions.publish(
      stepResults,
      stepResultOf(request, { outcome: 'failed', failureReason: 'deadline_exceeded', returnValue: null }),
    );
    await executions.publish(stepResults, stepResultOf(request));
    await executions.publish(stepInvocationResults, succeeded(request));
    await execution(request.invocationId, { status: 'failed', failureReason: 'deadline_exceeded', attemptCount: 1 });
  });

  it('shows both calls when two share a number', async () => {
    const request = triggerRequest({ orgId, triggerId });
    await executions.publish(triggerInvocationResults, retrying(request, inMs(3_600_000)), succeeded(request));
    const body = await execution(request.invocationId, { status: 'succeeded', attemptCount: 2, nextAttemptAt: null });
    expect(body.attempts.map(({ number }: { number: number }) => number)).toEqual([1, 1]);
    const { rows } = await executions.sql.query('SELECT FROM executions.due WHERE invocation_id = $1', [request.invocationId]);
    expect(rows).toHaveLength(0);
  });

  it('takes answers that hold NUL and broken surrogates', async () => {
    const request = triggerRequest({ orgId, triggerId });
    const attempt = attemptOf(request, {
      response: { headers: { 'x-odd': 'a\u0000b' }, body: 'nul \u0000, half \ud800', truncated: false },
    });
    await executions.publish(triggerInvocationResults, succeeded(request, { attempts: [attempt], returnValue: '\u0000' }));
    await execution(request.invocationId, { status: 'succeeded', returnValue: '\ufffd' });
  });

  it('buries a result that cannot be stored and records what came with it', async () => {
    const bad = triggerRequest({ orgId, triggerId });
    const good = Array.from({ length: 20 }, () => triggerRequest({ orgId, triggerId }));
    const results = [
      ...good.slice(0, 10).map((one) => succeeded(one)),
      failed(bad, { httpStatus: 3_000_000_000 }),
      ...good.slice(10).map((one) => succeeded(one)),
    ];
    await executions.publish(triggerInvocationResults, ...results);
    for (const request of good) await execution(request.invocationId, { status: 'succeeded' });
    await eventually(async () => {
      const { rows } = await executions.sql.query<{ reason: string; origin_topic: string; detail: string }>(
        `SELECT reason, origin_topic, detail FROM executions.dead_letters WHERE convert_from(decode(value_base64, 'base64'), 'UTF8') LIKE $1`,
        [`%${bad.invocationId}%`],
      );
      expect(rows).toEqual([
        {
          reason: 'handler_failed',
          origin_topic: triggerInvocationResults.name,
          detail: expect.stringMatching(/^StatementRefused: .*out of range/),
        },
      ]);
    });
    expect((await executions.get(`/v1/orgs/${orgId}/executions/${bad.invocationId}`)).status).toBe(404);
  });

  it('refuses a result that uses the invocation of another organization', async () => {
    const other = await executions.addOrganization();
    const request = triggerRequest({ orgId, triggerId });
    await executions.publish(triggerInvocationResults, failed(request));
    await execution(request.invocationId, { status: 'dead_lettered' });
    await executions.publish(triggerInvocationResults, succeeded(again({ ...request, orgId: other })));
    await eventually(async () => expect(await executions.recorded()).toBe(true));
    await execution(request.invocationId, { status: 'dead_lettered', attemptCount: 1 });
    expect((await executions.get(`/v1/orgs/${other}/executions/${request.invocationId}`)).status).toBe(404);
  });

  it('stores dead letters once, however often they come', async () => {
    const letter = { ...deadLetters.example, origin: { topic: 'chat.events', partition: 1, offset: 77 } };
    await executions.publish(deadLetters, letter, letter);
    await executions.publish(deadLetters, letter);
    await eventually(async () => expect(await executions.recorded([deadLetters])).toBe(true));
    const { rows } = await executions.sql.query(`SELECT reason, detail FROM executions.dead_letters WHERE origin_topic = 'chat.events'`);
    expect(rows).toEqual([{ reason: letter.reason, detail: letter.detail }]);
  });

  it('files attempts and requests under their day, and old ones under the default', async () => {
    const today = triggerRequest({ orgId, triggerId });
    const old = triggerRequest({ orgId, triggerId, acceptedAt: inMs(-10 * 86_400_000).toISOString() });
    await executions.publish(triggerInvocationResults, succeeded(today), succeeded(old));
    for (const { invocationId } of [today, old]) await execution(invocationId, { status: 'succeeded' });
    const partitionOf = async (table: string, invocationId: string): Promise<string> => {
      const { rows } = await executions.sql.query<{ name: string }>(
        `SELECT relname AS name FROM executions.${table} t JOIN pg_class c ON c.oid = t.tableoid WHERE invocation_id = $1`,
        [invocationId],
      );
      return rows[0]!.name;
    };
    const day = today.acceptedAt.slice(0, 10).replaceAll('-', '');
    expect(await partitionOf('attempts', today.invocationId)).toBe(`attempts_${day}`);
    expect(await partitionOf('requests', today.invocationId)).toBe(`requests_${day}`);
    expect(await partitionOf('requests', old.invocationId)).toBe('requests_default');
  });

  it('loses nothing when Postgres cuts its connections in the middle', async () => {
    const requests = Array.from({ length: 600 }, () => triggerRequest({ orgId, triggerId }));
    const publishing = Promise.all(requests.map((request) => executions.publish(triggerInvocationResults, succeeded(request))));
    for (let cut = 0; cut < 5; cut++) {
      await executions.cutConnections();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await publishing;
    await eventually(async () => {
      const ids = requests.map(({ invocationId }) => invocationId);
      const { rows } = await executions.sql.query<{ count: string }>(
        `SELECT count(*) FROM executions.executions WHERE status = 'succeeded' AND attempt_count = 1 AND invocation_id = ANY($1::uuid[])`,
        [ids],
      );
      expect(Number(rows[0]!.count)).toBe(requests.length);
    }, 30_000);
  });
});
