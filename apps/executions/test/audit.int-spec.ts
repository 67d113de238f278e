/** What must not happen unaudited: bodies that are shown, and what people set off. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type AuditEvent, auditEvents, type InvocationRequest, triggerInvocationResults } from '@cf/contract';
import { PublishError } from '@cf/messaging';
import { eventually } from '@cf/testing';
import { failed, inMs, retrying, triggerRequest } from './messages.js';
import { RunningExecutions } from './running-executions.js';

describe('the audit of executions', () => {
  let executions: RunningExecutions;
  let orgId: string;
  let token: string;
  let request: InvocationRequest;
  let waiting: InvocationRequest;
  let path: string;
  let reachable = true;
  const events: AuditEvent[] = [];

  const told = async (action: string, { invocationId } = request): Promise<AuditEvent[]> => {
    const marker: AuditEvent = { ...auditEvents.example, id: randomUUID(), action: 'marker' };
    await executions.publish(auditEvents, marker);
    await eventually(() => expect(events.map(({ id }) => id)).toContain(marker.id));
    return events.filter((event) => event.action === action && event.subject.id === invocationId);
  };

  beforeAll(async () => {
    executions = await RunningExecutions.create();
    executions.log.read({
      topic: auditEvents.name,
      from: 'beginning',
      onRecords: (_partition, records) => events.push(...records.map(({ value }) => auditEvents.schema.parse(JSON.parse(String(value))))),
    });
    const createPublisher = executions.log.createPublisher.bind(executions.log);
    executions.log.createPublisher = (name, priority) => {
      const publisher = createPublisher(name, priority);
      if (name !== 'audit') return publisher;
      const away = () => Promise.reject(new PublishError('log_away', 'the broker is away', true));
      return { publish: (record) => (reachable ? publisher.publish(record) : away()), close: () => publisher.close() };
    };
    await executions.startService();
    orgId = await executions.addOrganization();
    token = await executions.addToken(orgId, ['executions:read', 'executions:write', 'executions:reveal']);
    const triggerId = randomUUID();
    await executions.setTrigger(orgId, triggerId);
    request = triggerRequest({ orgId, triggerId });
    waiting = triggerRequest({ orgId, triggerId });
    path = `/v1/orgs/${orgId}/executions/${request.invocationId}`;
    await executions.publish(triggerInvocationResults, failed(request));
    await eventually(async () => expect(await executions.recorded()).toBe(true));
  });
  afterAll(() => executions.stop());

  it('tells who saw a body, and tells nothing of those who saw none', async () => {
    expect((await executions.get(path)).body.attempts[0].request).toEqual({ hidden: true });
    expect(await told('execution.revealed')).toEqual([]);
    expect((await executions.get(path, token)).body.attempts[0].request.body).toEqual(expect.any(String));
    expect(await told('execution.revealed')).toMatchObject([
      { orgId, actor: { type: 'access-token', name: 'Test' }, outcome: 'done', subject: { type: 'execution', id: request.invocationId } },
    ]);
  });

  it('shows no body and sets nothing off while it cannot be told', async () => {
    reachable = false;
    expect(await executions.get(path, token)).toMatchObject({ status: 503, body: { code: 'audit_unavailable' } });
    expect(await executions.request('POST', `${path}/retries`, { token })).toMatchObject({
      status: 503,
      body: { code: 'audit_unavailable' },
    });
    reachable = true;
    expect((await executions.get(path)).body).toMatchObject({ status: 'dead_lettered', nextAttemptAt: null });
    expect(await told('execution.retried')).toEqual([]);
  });

  it('tells who cancelled, once, and cancels nothing while it cannot be told', async () => {
    await executions.publish(triggerInvocationResults, retrying(waiting, inMs(3_600_000)));
    await eventually(async () => expect(await executions.recorded()).toBe(true));
    const cancel = () => executions.request('POST', `/v1/orgs/${orgId}/executions/${waiting.invocationId}/cancellation`, { token });
    reachable = false;
    expect(await cancel()).toMatchObject({ status: 503, body: { code: 'audit_unavailable' } });
    reachable = true;
    expect(await told('execution.cancelled', waiting)).toEqual([]);
    for (let times = 0; times < 2; times++) expect(await cancel()).toMatchObject({ status: 200, body: { status: 'cancelled' } });
    expect(await told('execution.cancelled', waiting)).toMatchObject([{ orgId, actor: { type: 'access-token' }, outcome: 'done' }]);
  });

  it('tells that a chat is to be erased before it is, and that it was only once it is', async () => {
    const erase = () => executions.request('POST', `/v1/orgs/${orgId}/erasures`, { token, body: { chatId: randomUUID() } });
    const actions = async () => {
      await told('marker');
      return events.filter(({ subject }) => subject.type === 'chat').map(({ action, details }) => [action, details]);
    };
    reachable = false;
    expect(await erase()).toMatchObject({ status: 503, body: { code: 'audit_unavailable' } });
    reachable = true;
    expect(await actions()).toEqual([]);
    await executions.sql.query('ALTER TABLE executions.erased_chats RENAME TO erased_chats_away');
    expect((await erase()).status).toBe(500);
    expect(await actions()).toEqual([['chat.erasure-ordered', {}]]);
    await executions.sql.query('ALTER TABLE executions.erased_chats_away RENAME TO erased_chats');
    expect((await erase()).status).toBe(200);
    const counts = { executions: 0, attempts: 0, requests: 0, waiting: 0, deadLetters: 0 };
    await eventually(async () =>
      expect(await actions()).toEqual([
        ['chat.erasure-ordered', {}],
        ['chat.erasure-ordered', {}],
        ['chat.erased', counts],
      ]),
    );
  });

  it('tells who ordered a retry, once, and nothing of a retry that was refused', async () => {
    expect((await executions.request('POST', `${path}/retries`, { token })).status).toBe(202);
    // Sent, and marked as sent: until then one more order only brings it forward.
    await eventually(async () => expect((await executions.get(path)).body).toMatchObject({ status: 'queued', nextAttemptAt: null }));
    await eventually(() => expect(executions.sentOf(request.invocationId)).toHaveLength(1));
    expect((await executions.request('POST', `${path}/retries`, { token })).status).toBe(409);
    expect(await told('execution.retried')).toMatchObject([{ orgId, actor: { type: 'access-token' }, outcome: 'done' }]);
  });
});
