/** Real: Postgres, HTTP, the consumers, the claimer. In memory: the log. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type InvocationRequest, stepResults, triggerInvocationResults } from '@cf/contract';
import { eventually } from '@cf/testing';
import { again, deferred, failed, inMs, retrying, stepRequest, stepResultOf, succeeded, triggerRequest } from './messages.js';
import { RunningExecutions } from './running-executions.js';

const HOUR_MS = 3_600_000;

let executions: RunningExecutions;
let orgId: string;
const triggerId = randomUUID();

beforeAll(async () => {
  executions = await RunningExecutions.start({ EXECUTIONS_RELEASE_EVERY_MS: '50' });
  orgId = await executions.addOrganization();
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

describe('cancelling', () => {
  const cancel = (invocationId: string) => executions.request('POST', `${path(invocationId)}/cancellation`);
  const waiting = async (): Promise<InvocationRequest> => {
    const request = triggerRequest({ orgId, triggerId });
    await executions.publish(triggerInvocationResults, retrying(request, inMs(HOUR_MS)));
    await execution(request.invocationId, { status: 'retrying' });
    return request;
  };

  it('ends what waits, for good and as often as it is asked', async () => {
    const { invocationId } = await waiting();
    const cancelled = { status: 200, body: { invocationId, status: 'cancelled', nextAttemptAt: null, completedAt: expect.any(String) } };
    expect(await cancel(invocationId)).toMatchObject(cancelled);
    expect(await cancel(invocationId)).toMatchObject(cancelled);
    const { rows } = await executions.sql.query('SELECT FROM executions.due WHERE invocation_id = $1', [invocationId]);
    expect(rows).toEqual([]);
    expect(executions.sentOf(invocationId)).toEqual([]);
  });

  it('ends what was taken to be sent while the clock of Postgres had jumped ahead', async () => {
    const { invocationId } = await waiting();
    await executions.sql.query(`UPDATE executions.due SET leased_until = now() + interval '1 day' WHERE invocation_id = $1`, [
      invocationId,
    ]);
    expect(await cancel(invocationId)).toMatchObject({ status: 200, body: { status: 'cancelled' } });
  });

  it('stands when the answer to a sending comes late, and leaves room for a retry by hand', async () => {
    const request = await waiting();
    expect((await cancel(request.invocationId)).status).toBe(200);
    await executions.publish(triggerInvocationResults, retrying(again(request), inMs(HOUR_MS)));
    await execution(request.invocationId, { status: 'cancelled', nextAttemptAt: null, attempts: [{ number: 1 }, { number: 2 }] });
    const { rows } = await executions.sql.query('SELECT FROM executions.due WHERE invocation_id = $1', [request.invocationId]);
    expect(rows).toEqual([]);
    expect((await executions.request('POST', `${path(request.invocationId)}/retries`)).status).toBe(202);
    await eventually(() => expect(executions.sentOf(request.invocationId)).toMatchObject([{ seq: 2, attempt: 3 }]));
  });

  it('refuses what is being sent, awaits its answer or has ended', async () => {
    const taken = await waiting();
    await executions.sql.query(`UPDATE executions.due SET leased_until = now() + interval '1 minute' WHERE invocation_id = $1`, [
      taken.invocationId,
    ]);
    expect(await cancel(taken.invocationId)).toMatchObject({ status: 409, body: { code: 'in_progress' } });

    const sent = triggerRequest({ orgId, triggerId });
    await executions.publish(triggerInvocationResults, retrying(sent, inMs(0)));
    await execution(sent.invocationId, { status: 'queued', nextAttemptAt: null });
    expect(await cancel(sent.invocationId)).toMatchObject({ status: 409, body: { code: 'in_progress' } });

    const ended = triggerRequest({ orgId, triggerId });
    await executions.publish(triggerInvocationResults, failed(ended));
    const step = stepRequest({ orgId });
    await executions.publish(stepResults, stepResultOf(step));
    for (const { invocationId } of [ended, step]) {
      await execution(invocationId, { invocationId });
      expect(await cancel(invocationId)).toMatchObject({ status: 409, body: { code: 'already_ended' } });
    }
  });

  it("knows no other organization's executions, and needs the scope", async () => {
    const { invocationId } = await waiting();
    const other = await executions.addOrganization();
    const cancelFor = (org: string, token?: string) =>
      executions.request('POST', `/v1/orgs/${org}/executions/${invocationId}/cancellation`, token === undefined ? {} : { token });
    const reader = await executions.addToken(orgId, ['executions:read']);
    await eventually(async () => expect((await cancelFor(other)).status).toBe(404));
    await eventually(async () => expect(await cancelFor(orgId, reader)).toMatchObject({ status: 403, body: { code: 'missing_scope' } }));
    await execution(invocationId, { status: 'retrying' });
  });
});

describe('a function whose triggers are paused', () => {
  /** Resolves once the service has heard of it: what is due before that is sent, and paused by the invoker. */
  const addPaused = async (): Promise<string> => {
    const id = randomUUID();
    await executions.setFunction(orgId, id, { triggersPaused: true });
    await eventually(async () => expect((await executions.get(`/v1/orgs/${orgId}/cloud-functions/${id}/health`)).status).toBe(200));
    return id;
  };

  it('is sent nothing until it is resumed, and then everything once: what a person sent first, then the oldest', async () => {
    const cloudFunctionId = await addPaused();
    const old = new Date(Date.now() - 72 * HOUR_MS).toISOString();
    const requests = Array.from({ length: 12 }, () => triggerRequest({ orgId, triggerId, cloudFunctionId, acceptedAt: old }));
    const first = Date.now();
    const results = requests.map((request, age) =>
      age % 2 === 0
        ? deferred(request, new Date(first + age), { deferReason: age % 4 === 0 ? 'quota' : 'circuit_open' })
        : retrying(request, new Date(first + age)),
    );
    await executions.publish(triggerInvocationResults, ...results.toReversed());
    for (const { invocationId } of requests) await execution(invocationId, { paused: true, nextAttemptAt: null, completedAt: null });

    const byHand = requests[7]!.invocationId;
    expect((await executions.request('POST', `${path(byHand)}/retries`)).status).toBe(202);
    await execution(byHand, { paused: true, status: 'queued', nextAttemptAt: null });
    const cancelled = requests[3]!.invocationId;
    expect((await executions.request('POST', `${path(cancelled)}/cancellation`)).body).toMatchObject({
      status: 'cancelled',
      paused: false,
    });
    const { rows } = await executions.sql.query('SELECT FROM executions.due WHERE cloud_function_id = $1 AND held', [cloudFunctionId]);
    expect(rows).toHaveLength(11);
    expect(executions.sent).not.toContainEqual(expect.objectContaining({ cloudFunctionId }));

    await executions.setFunction(orgId, cloudFunctionId, { triggersPaused: false });
    const expected = [requests[7]!, ...requests.filter((_, age) => age !== 3 && age !== 7)].map(({ invocationId }) => invocationId);
    const sent = () => executions.sent.filter((request) => request.cloudFunctionId === cloudFunctionId);
    await eventually(() => expect(sent()).toHaveLength(expected.length));
    // One chat, so one partition: its order is that of the releases.
    expect(sent().map(({ invocationId }) => invocationId)).toEqual(expected);
    for (const { seq, retryUntil } of sent()) {
      expect(seq).toBe(1);
      expect(Date.parse(retryUntil ?? '')).toBeGreaterThan(Date.now() + 23 * HOUR_MS);
    }
    await executions.publish(triggerInvocationResults, ...sent().map((request) => succeeded(request)));
    for (const invocationId of expected) await execution(invocationId, { status: 'succeeded', paused: false });
  });

  it('is resumed by whoever is there, whatever was missed', async () => {
    const cloudFunctionId = await addPaused();
    const request = triggerRequest({ orgId, triggerId, cloudFunctionId });
    await executions.publish(triggerInvocationResults, deferred(request, inMs(0), { deferReason: 'quota' }));
    await execution(request.invocationId, { paused: true });
    await executions.stopServices();
    await executions.setFunction(orgId, cloudFunctionId, { triggersPaused: false });
    await executions.startService();
    await eventually(() => expect(executions.sentOf(request.invocationId)).toHaveLength(1));
  });
});
