/** Idempotency-Key where the effect leaves the database: one sending and one answer per key. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { triggerInvocationResults } from '@cf/contract';
import { eventually } from '@cf/testing';
import { failed, triggerRequest } from './messages.js';
import { RunningExecutions } from './running-executions.js';

let executions: RunningExecutions;
const orgId = randomUUID();
const triggerId = randomUUID();
beforeAll(async () => {
  executions = await RunningExecutions.start();
  await executions.addOrganization(orgId);
  await executions.setTrigger(orgId, triggerId);
});
afterAll(() => executions.stop());

const aDeadLettered = async (): Promise<string> => {
  const request = triggerRequest({ orgId, triggerId });
  await executions.publish(triggerInvocationResults, failed(request));
  await eventually(async () =>
    expect((await executions.get(`/v1/orgs/${orgId}/executions/${request.invocationId}`)).body.status).toBe('dead_lettered'),
  );
  return request.invocationId;
};

describe('a retry', () => {
  it('that is asked for five times at once with one key is sent once, and answered alike', async () => {
    const id = await aDeadLettered();
    const retry = () =>
      executions.request('POST', `/v1/orgs/${orgId}/executions/${id}/retries`, { body: {}, idempotencyKey: 'five-at-once' });
    const answers = await Promise.all(Array.from({ length: 5 }, retry));
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202, 202]);
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(answers.filter(({ isReplayed }) => !isReplayed)).toHaveLength(1);
    await eventually(() => expect(executions.sentOf(id)).toHaveLength(1));
    // By now the execution itself says no: it is being sent.
    expect((await executions.request('POST', `/v1/orgs/${orgId}/executions/${id}/retries`, { body: {} })).body.code).toBe('in_progress');
    expect(await retry()).toEqual({ ...answers[0], isReplayed: true });
    expect(executions.sentOf(id)).toHaveLength(1);
  });

  it('that was refused leaves its key free', async () => {
    const path = `/v1/orgs/${orgId}/executions/${randomUUID()}/retries`;
    const refused = () => executions.request('POST', path, { body: {}, idempotencyKey: 'nothing' });
    expect([(await refused()).status, (await refused()).status]).toEqual([404, 404]);
  });
});

describe('a replay', () => {
  it('is made once for its key', async () => {
    const invocationIds = [await aDeadLettered()];
    const create = () =>
      executions.request('POST', `/v1/orgs/${orgId}/replays`, { body: { name: 'Once', invocationIds }, idempotencyKey: 'replay' });
    const [one, two] = await Promise.all([create(), create()]);
    const three = await create();
    expect([one.status, two.body, three.body]).toEqual([201, one.body, one.body]);
    expect((await executions.get(`/v1/orgs/${orgId}/replays`)).body.data).toHaveLength(1);
  });
});
