/** Real: Postgres, HTTP, the consumers, the claimer, the replayer, retention. In memory: the log. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { triggerInvocationResults } from '@cf/contract';
import { eventually } from '@cf/testing';
import { deadLettered } from './dead-lettered.js';
import { failed, succeeded, triggerRequest } from './messages.js';
import { RunningExecutions } from './running-executions.js';

describe('a replay whose executions are removed while it is open', () => {
  let executions: RunningExecutions;

  beforeAll(async () => {
    executions = await RunningExecutions.start({ EXECUTIONS_RETENTION_EVERY_MS: '200', EXECUTIONS_REPLAY_RATE: '20' });
  });
  afterAll(() => executions.stop());

  it('keeps count of what it sent after retention deletes it', async () => {
    const { orgId, replay, progress, sent } = await deadLettered(executions, 3);
    const { body } = await replay({ filter: {} });
    await eventually(() => expect(sent()).toHaveLength(3));
    await executions.addOrganization(orgId, 1);
    const [first, ...others] = sent();
    await executions.publish(triggerInvocationResults, succeeded(first!));
    await eventually(async () => {
      const path = `/v1/orgs/${orgId}/executions/${first!.invocationId}`;
      expect((await executions.get(path)).status).toBe(404);
    });
    await progress(body.id, { status: 'running', succeeded: 1, pending: 2 });
    await executions.publish(triggerInvocationResults, ...others.map((request) => failed(request)));
    await progress(body.id, { status: 'completed', enqueued: 3, succeeded: 1, failed: 2, cancelled: 0, pending: 0 });
  });

  it('keeps count of what it sent after a chat is erased, and counts the others as changed', async () => {
    const { orgId, triggerId, cloudFunctionId, path, replay, progress, sent } = await deadLettered(executions, 0);
    const [chatId, total] = [randomUUID(), 40];
    const requests = Array.from({ length: total }, () => triggerRequest({ orgId, triggerId, cloudFunctionId, chatId }));
    await executions.publish(triggerInvocationResults, ...requests.map((request) => failed(request)));
    await eventually(async () => expect(await executions.recorded()).toBe(true));
    const { body } = await replay({ invocationIds: requests.map(({ invocationId }) => invocationId) });
    await eventually(() => expect(sent().length).toBeGreaterThan(2));
    await executions.request('POST', `${path}/${body.id}/pause`);
    const [won, lost] = sent();
    await executions.publish(triggerInvocationResults, succeeded(won!), failed(lost!));
    const { enqueued } = await progress(body.id, { status: 'paused', succeeded: 1, failed: 1 });
    expect(enqueued).toBeLessThan(total);

    const erased = await executions.request('POST', `/v1/orgs/${orgId}/erasures`, { body: { chatId } });
    expect(erased).toMatchObject({ status: 200, body: { executions: total } });
    const { rows } = await executions.sql.query('SELECT seq FROM executions.replay_items WHERE replay_id = $1', [body.id]);
    expect(rows).toEqual(Array.from({ length: enqueued }, () => ({ seq: expect.any(Number) })));
    const sums = { enqueued, succeeded: 1, failed: 1, cancelled: enqueued - 2 };
    await progress(body.id, { status: 'paused', ...sums, pending: total - enqueued });
    await executions.request('POST', `${path}/${body.id}/resume`);
    await progress(body.id, { status: 'completed', ...sums, skipped: { changed: total - enqueued }, pending: 0 });
  });
});
