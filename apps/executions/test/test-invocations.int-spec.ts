/** Real: Postgres, HTTP, the consumers. In memory: the log. There is no invoker: the spec answers in its place. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type AuditEvent, auditEvents, eventExample, triggerInvocationResults } from '@cf/contract';
import { eventually } from '@cf/testing';
import { failed, succeeded, triggerRequest } from './messages.js';
import { OPERATOR_TOKEN, RunningExecutions } from './running-executions.js';

describe('POST …/test-invocations', () => {
  let executions: RunningExecutions;
  let orgId: string;
  const cloudFunctionId = randomUUID();
  const path = (): string => `/v1/orgs/${orgId}/cloud-functions/${cloudFunctionId}/test-invocations`;
  beforeAll(async () => {
    executions = await RunningExecutions.start();
    await executions.startService();
    orgId = await executions.addOrganization();
    await executions.setFunction(orgId, cloudFunctionId, { timeoutMs: 1_000, branchOptions: ['Yes'] });
  });
  afterAll(async () => {
    await executions?.stop();
  });

  it('is answered by whichever replica was asked, whoever records the result', async () => {
    const answers = Promise.all(
      [0, 1, 0, 1, 0, 1].map((replica) =>
        executions.request('POST', path(), { replica, body: { kind: 'step', stepName: `asked ${replica}` } }),
      ),
    );
    await eventually(() => expect(executions.sent).toHaveLength(6));
    for (const request of executions.sent) {
      expect(request).toMatchObject({
        kind: 'step',
        test: true,
        origin: 'test',
        deadline: null,
        triggerId: null,
        orgId,
        seq: 0,
        attempt: 1,
      });
      await executions.publish(triggerInvocationResults, succeeded(request, { returnValue: 'Yes' }));
    }
    for (const [place, { status, body }] of (await answers).entries()) {
      expect(status).toBe(200);
      const step = { stepName: `asked ${place % 2}` };
      expect(body.execution).toMatchObject({ invocationId: body.invocationId, status: 'succeeded', test: true, step });
      expect(body.execution).toMatchObject({ branch: body.result.branch, branchReason: 'matched', nearMiss: null });
      expect(body.result).toMatchObject({ branch: { kind: 'option', option: 'Yes' }, branchReason: 'matched', returnValue: 'Yes' });
    }
  });

  it('is answered with 202 and where to look when it takes too long', async () => {
    const answer = await executions.request('POST', path(), { body: { kind: 'trigger', eventType: 'SmsSubscribed' } });
    expect(answer).toMatchObject({ status: 202, body: { execution: null, result: null, hints: [{ code: 'not_finished' }] } });
    const request = executions.sent.find(({ invocationId }) => invocationId === answer.body.invocationId)!;
    expect(request).toMatchObject({ kind: 'trigger', event: { type: 'SmsSubscribed' }, chatId: null });
    await executions.publish(triggerInvocationResults, succeeded(request));
    await eventually(async () => {
      const execution = await executions.get(`/v1/orgs/${orgId}/executions/${request.invocationId}`);
      expect(execution.body).toMatchObject({ status: 'succeeded', test: true });
    });
  });

  it('refuses an event that is nested too deeply to be written again', async () => {
    const event = JSON.stringify({ ...eventExample('SmsSubscribed'), orgId, more: null });
    const deep = event.replace(/null}$/, `${'['.repeat(100_000)}${']'.repeat(100_000)}}`);
    const answer = await fetch(`${executions.addressOf(0)}${path()}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${OPERATOR_TOKEN}`, 'content-type': 'application/json' },
      body: `{"kind":"trigger","event":${deep}}`,
    });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ code: 'invalid_event', errors: [{ pointer: '/event', code: 'too_deep' }] });
  });

  it('lets one organization wait for a few at once, and others beside it', async () => {
    const beside = await executions.addOrganization();
    const besideId = randomUUID();
    await executions.setFunction(beside, besideId);
    const ask = (owner: string, id: string) =>
      executions.request('POST', `/v1/orgs/${owner}/cloud-functions/${id}/test-invocations`, { body: { kind: 'step', stepName: 'many' } });
    const answers = [...Array.from({ length: 11 }, () => ask(orgId, cloudFunctionId)), ask(beside, besideId)];
    const sent = () => executions.sent.filter(({ step }) => step?.stepName === 'many');
    await eventually(() => expect(sent()).toHaveLength(11));
    expect(sent().filter((request) => request.orgId === beside)).toHaveLength(1);
    for (const request of sent()) await executions.publish(triggerInvocationResults, succeeded(request));
    const refused = (await Promise.all(answers)).filter(({ status }) => status !== 200);
    expect(refused).toMatchObject([{ status: 429, body: { code: 'too_many_requests' } }]);
  });

  it('needs the scopes to read and to reveal executions for the event of one, and is audited as a reveal of it', async () => {
    const revealed: AuditEvent[] = [];
    executions.log.read({
      topic: auditEvents.name,
      from: 'beginning',
      onRecords: (_partition, records) => {
        const told = records.map(({ value }) => auditEvents.schema.parse(JSON.parse(String(value))));
        revealed.push(...told.filter(({ action }) => action === 'execution.revealed'));
      },
    });
    const kept = triggerRequest({ orgId, triggerId: null, body: '{"type":"ChatOpened","note":"private"}' });
    await executions.publish(triggerInvocationResults, failed(kept));
    await eventually(async () => expect(await executions.recorded()).toBe(true));
    const ask = (token?: string, eventId = kept.event!.id) =>
      executions.request('POST', path(), { ...(token !== undefined && { token }), body: { kind: 'trigger', eventId } });
    const sent = () => executions.sent.filter(({ event }) => event?.id === kept.event!.id);
    const scopes = ['cloud-functions:write', 'executions:read', 'executions:reveal'] as const;
    for (const few of [scopes.slice(0, 1), scopes.slice(0, 2), [scopes[0], scopes[2]]]) {
      const token = await executions.addToken(orgId, [...few]);
      await eventually(async () => expect(await ask(token)).toMatchObject({ status: 403, body: { code: 'missing_scope' } }));
    }
    // An operator may do everything but reveal.
    expect(await ask()).toMatchObject({ status: 403, body: { code: 'missing_scope' } });
    const revealer = await executions.addToken(orgId, [...scopes]);
    await eventually(async () => expect((await ask(revealer, randomUUID())).status).toBe(404));
    expect([sent(), revealed]).toEqual([[], []]);
    const answer = ask(revealer);
    await eventually(() => expect(sent()).toMatchObject([{ test: true, body: kept.body }]));
    const subject = { type: 'execution', id: kept.invocationId };
    await eventually(() => expect(revealed).toMatchObject([{ orgId, actor: { type: 'access-token' }, subject, outcome: 'done' }]));
    await executions.publish(triggerInvocationResults, succeeded(sent()[0]!));
    expect(await answer).toMatchObject({ status: 200, body: { execution: { attempts: [{ request: { hidden: true } }] } } });
  });

  it('knows no function of another organization, and none that is not there', async () => {
    const other = await executions.addOrganization();
    for (const missing of [
      `/v1/orgs/${other}/cloud-functions/${cloudFunctionId}/test-invocations`,
      `/v1/orgs/${orgId}/cloud-functions/${randomUUID()}/test-invocations`,
      `/v1/orgs/${orgId}/cloud-functions/nothing/test-invocations`,
    ]) {
      expect((await executions.request('POST', missing, { body: { kind: 'step' } })).status).toBe(404);
    }
  });
});
