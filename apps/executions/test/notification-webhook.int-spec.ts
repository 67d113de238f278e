/** Real: Postgres, HTTP, the consumers, the folder of health. In memory: the log. There is no invoker: the spec answers in its place. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { auditEvent, auditEvents, type InvocationRequest, triggerInvocationResults } from '@cf/contract';
import { eventually } from '@cf/testing';
import { failed, inMs, retrying, succeeded, triggerRequest } from './messages.js';
import { RunningExecutions } from './running-executions.js';
import { StreamReader } from './stream-reader.js';

describe('the notification webhook of an organization', () => {
  let executions: RunningExecutions;
  let orgId: string;
  const receiver = randomUUID();
  const failing = randomUUID();
  const actions: string[] = [];

  const path = (): string => `/v1/orgs/${orgId}/notification-webhook`;
  const set = (body: object, token?: string) => executions.request('PUT', path(), { body, ...(token !== undefined && { token }) });
  const deliveries = async () => (await executions.get(`${path()}/deliveries?limit=100`)).body.data;
  const fail = (cloudFunctionId: string, count = 1) =>
    executions.publish(
      triggerInvocationResults,
      ...Array.from({ length: count }, () => failed(triggerRequest({ orgId, cloudFunctionId, triggerId: null }))),
    );
  const sent = (): InvocationRequest[] => executions.sent.filter((request) => request.cloudFunctionId === receiver && !request.test);

  beforeAll(async () => {
    executions = await RunningExecutions.start({ EXECUTIONS_HEALTH_FOLD_EVERY_MS: '20', EXECUTIONS_RETENTION_EVERY_MS: '200' });
    await executions.startService();
    orgId = await executions.addOrganization();
    for (const id of [receiver, failing]) await executions.setFunction(orgId, id);
    executions.log.read({
      topic: auditEvents.name,
      from: 'beginning',
      onRecords: (_partition, records) => {
        for (const { value } of records) {
          const { action, orgId: of } = auditEvent.parse(JSON.parse(String(value)));
          if (of === orgId && action.startsWith('notification-webhook')) actions.push(action);
        }
      },
    });
  });
  afterAll(() => executions.stop());

  it('gets at once what had begun before it was set', async () => {
    const [early, other] = [await executions.addOrganization(), randomUUID()];
    const taking = randomUUID();
    await executions.setFunction(early, taking);
    const failOnce = () =>
      executions.publish(triggerInvocationResults, failed(triggerRequest({ orgId: early, cloudFunctionId: other, triggerId: null })));
    await failOnce();
    await eventually(async () => expect((await executions.get(`/v1/orgs/${early}/notifications`)).body.data).toMatchObject([{ count: 1 }]));
    await executions.request('PUT', `/v1/orgs/${early}/notification-webhook`, { body: { cloudFunctionId: taking } });
    await failOnce();
    const taken = await eventually(() => {
      const found = executions.sent.filter(({ cloudFunctionId }) => cloudFunctionId === taking);
      expect(found).toHaveLength(1);
      return found[0]!;
    });
    expect(JSON.parse(taken.body)).toMatchObject({ data: { count: 2 } });
  });

  it('is set, read and taken away with scopes of its own, and each change is audited', async () => {
    expect(await executions.get(path())).toMatchObject({ status: 404 });
    const reader = await executions.addToken(orgId, ['notifications:read', 'executions:write']);
    expect(await set({ cloudFunctionId: receiver }, reader)).toMatchObject({ status: 403, body: { code: 'missing_scope' } });
    const writer = await executions.addToken(orgId, ['notifications:write']);
    expect(await set({ cloudFunctionId: receiver }, writer)).toMatchObject({
      status: 200,
      body: { cloudFunctionId: receiver, types: null, readiness: 'ready' },
    });
    const types = ['retries_exhausted', 'function_failing'];
    expect(await set({ cloudFunctionId: receiver, types }, writer)).toMatchObject({ status: 200, body: { types } });
    expect(await executions.get(path(), reader)).toMatchObject({ status: 200, body: { cloudFunctionId: receiver, types } });
    expect((await executions.get(path(), writer)).status).toBe(403);
    await eventually(() => expect(actions).toEqual(['notification-webhook.updated', 'notification-webhook.updated']));
  });

  it('takes only a cloud function of the organization, and types that there are', async () => {
    const elsewhere = randomUUID();
    await executions.setFunction(await executions.addOrganization(), elsewhere);
    for (const cloudFunctionId of [elsewhere, randomUUID()])
      expect(await set({ cloudFunctionId })).toMatchObject({ status: 400, body: { errors: [{ code: 'unknown_reference' }] } });
    for (const types of [[], ['fire']]) expect((await set({ cloudFunctionId: receiver, types })).status).toBe(400);
  });

  it('gets each notification once, with a body of its own, and once more when its count has grown', async () => {
    await fail(failing, 2);
    const [first] = await eventually(() => {
      expect(sent()).toHaveLength(1);
      return sent();
    });
    expect(first).toMatchObject({ kind: 'trigger', seq: 0, attempt: 1, triggerId: null, chatId: null, deadline: null });
    expect(first!.event!.type).toBe('notification.retries_exhausted');
    const body = JSON.parse(first!.body);
    expect(body).toEqual({
      type: 'notification.retries_exhausted',
      timestamp: body.data.updatedAt,
      data: expect.objectContaining({ id: first!.event!.id, orgId, cloudFunctionId: failing, type: 'retries_exhausted', count: 2 }),
    });
    await fail(failing, 3);
    const closing = await eventually(async () => {
      const found = (await deliveries()).filter(({ notificationId }: { notificationId: string }) => notificationId === body.data.id);
      expect(found).toHaveLength(2);
      return found[0];
    });
    expect(Date.parse(closing.nextAttemptAt) - Date.parse(body.data.createdAt)).toBe(600_000);
    expect(sent()).toHaveLength(1);
    await executions.sql.query(`UPDATE executions.notification_deliveries SET due_at = now() WHERE closing`);
    await eventually(() => expect(sent()).toHaveLength(2));
    const [, second] = sent();
    expect(second!.invocationId).not.toBe(first!.invocationId);
    expect(JSON.parse(second!.body)).toMatchObject({ data: { id: body.data.id, count: 5 } });
  });

  it('shows what became of a delivery, which is retried like any other work and also by hand', async () => {
    const [first] = sent();
    const delivery = async () =>
      (await deliveries()).find(({ invocationId }: { invocationId: string }) => invocationId === first!.invocationId);
    expect(await delivery()).toMatchObject({ status: 'queued', attemptCount: 0, type: 'retries_exhausted', cloudFunctionId: receiver });
    await executions.publish(triggerInvocationResults, retrying(first!, inMs(0)));
    await eventually(() => expect(sent().filter(({ invocationId }) => invocationId === first!.invocationId)).toHaveLength(2));
    const again = sent().findLast(({ invocationId }) => invocationId === first!.invocationId)!;
    expect(again).toMatchObject({ seq: 1, attempt: 2, body: first!.body });
    await executions.publish(triggerInvocationResults, failed(again));
    await eventually(async () => expect(await delivery()).toMatchObject({ status: 'dead_lettered', attemptCount: 2, httpStatus: 500 }));
    expect((await executions.request('POST', `/v1/orgs/${orgId}/executions/${first!.invocationId}/retries`)).status).toBe(202);
    const byHand = await eventually(() => {
      const last = sent().findLast(({ invocationId }) => invocationId === first!.invocationId)!;
      expect(last).toMatchObject({ seq: 2, origin: 'manual_retry' });
      return last;
    });
    await executions.publish(triggerInvocationResults, succeeded(byHand));
    await eventually(async () => expect(await delivery()).toMatchObject({ status: 'succeeded', attemptCount: 3, nextAttemptAt: null }));
  });

  it('is not told of what befalls its own function, nor of types that were not asked for', async () => {
    const types = async () => (await executions.get(`/v1/orgs/${orgId}/notifications?cloudFunctionId=${receiver}`)).body.data;
    await eventually(async () => expect(await types()).toMatchObject([{ type: 'retries_exhausted' }]));
    const before = sent().length;
    const other = randomUUID();
    await executions.setFunction(orgId, other);
    const request = triggerRequest({ orgId, cloudFunctionId: other, triggerId: null });
    await executions.publish(triggerInvocationResults, failed(request, { circuit: { state: 'open', worker: 'worker-1' } }));
    await eventually(() => expect(sent()).toHaveLength(before + 1));
    const told = (await executions.get(`/v1/orgs/${orgId}/notifications?cloudFunctionId=${other}`)).body.data;
    expect(told.map(({ type }: { type: string }) => type).toSorted()).toEqual(['circuit_opened', 'retries_exhausted']);
    expect(sent().at(-1)!.event!.type).toBe('notification.retries_exhausted');
  });

  it('is sent again what was published and not marked, under the same invocation and seq', async () => {
    const last = sent().at(-1)!;
    await executions.sql.query(`UPDATE executions.notification_deliveries SET sent_at = NULL, due_at = now() WHERE invocation_id = $1`, [
      last.invocationId,
    ]);
    await eventually(() => expect(sent().filter(({ invocationId }) => invocationId === last.invocationId)).toHaveLength(2));
    expect(sent().at(-1)).toMatchObject({ invocationId: last.invocationId, seq: 0, body: last.body });
  });

  it('sends a sample to somebody who waits for the exchange', async () => {
    const answer = executions.request('POST', `${path()}/test-delivery`);
    const sample = await eventually(() => {
      const found = executions.sent.find(({ test }) => test);
      expect(found).toBeDefined();
      return found!;
    });
    expect(sample).toMatchObject({ cloudFunctionId: receiver, origin: 'test', event: { type: 'notification.test' } });
    expect(JSON.parse(sample.body)).toMatchObject({ type: 'notification.test', data: { orgId } });
    await executions.publish(triggerInvocationResults, succeeded(sample));
    expect(await answer).toMatchObject({ status: 200, body: { invocationId: sample.invocationId, result: { outcome: 'succeeded' } } });
  });

  it('says when its function is gone, and is sent nothing once it is taken away', async () => {
    await executions.setFunction(orgId, receiver, { enabled: false });
    await eventually(async () => expect((await executions.get(path())).body.readiness).toBe('function_disabled'));
    expect((await executions.request('DELETE', path())).status).toBe(204);
    expect((await executions.request('DELETE', path())).status).toBe(404);
    await eventually(() => expect(actions.at(-1)).toBe('notification-webhook.deleted'));
    const before = (await deliveries()).length;
    const other = randomUUID();
    await fail(other);
    await eventually(async () =>
      expect((await executions.get(`/v1/orgs/${orgId}/notifications?cloudFunctionId=${other}`)).body.data).toHaveLength(1),
    );
    expect(await deliveries()).toHaveLength(before);
  });

  it('takes what was not sent yet with it when it goes, or goes elsewhere', async () => {
    const org = await executions.addOrganization();
    const [first, second, other, marker] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
    for (const id of [first, second]) await executions.setFunction(org, id);
    const webhook = `/v1/orgs/${org}/notification-webhook`;
    const point = (cloudFunctionId: string) =>
      eventually(async () => expect((await executions.request('PUT', webhook, { body: { cloudFunctionId } })).status).toBe(200));
    const failOne = (cloudFunctionId: string) =>
      executions.publish(triggerInvocationResults, failed(triggerRequest({ orgId: org, cloudFunctionId, triggerId: null })));
    const shown = async () => (await executions.get(`${webhook}/deliveries`)).body.data;
    const sentTo = (cloudFunctionId: string) => executions.sent.filter((request) => request.cloudFunctionId === cloudFunctionId);
    await point(first);
    await failOne(other);
    await eventually(() => expect(sentTo(first)).toHaveLength(1));
    await failOne(other);
    await eventually(async () => expect(await shown()).toHaveLength(2));
    await point(second);
    expect(await shown()).toMatchObject([{ cloudFunctionId: first, nextAttemptAt: null }]);
    await failOne(other);
    await eventually(async () => expect(await shown()).toHaveLength(2));
    expect((await executions.request('DELETE', webhook)).status).toBe(204);
    expect(await shown()).toHaveLength(1);
    await point(second);
    await executions.sql.query('UPDATE executions.notification_deliveries SET due_at = now() WHERE org_id = $1 AND sent_at IS NULL', [org]);
    await failOne(marker);
    await eventually(() => expect(sentTo(second)).toHaveLength(1));
    expect(JSON.parse(sentTo(second)[0]!.body)).toMatchObject({ data: { cloudFunctionId: marker } });
    expect(sentTo(first)).toHaveLength(1);
  });

  it('shows a delivery for as long as its execution is kept', async () => {
    const expiring = await executions.addOrganization(randomUUID(), 1);
    const [taking, other] = [randomUUID(), randomUUID()];
    await executions.setFunction(expiring, taking);
    const webhook = `/v1/orgs/${expiring}/notification-webhook`;
    await eventually(async () =>
      expect((await executions.request('PUT', webhook, { body: { cloudFunctionId: taking } })).status).toBe(200),
    );
    const cause = failed(triggerRequest({ orgId: expiring, cloudFunctionId: other, triggerId: null }));
    await executions.publish(triggerInvocationResults, cause);
    const delivery = await eventually(() => {
      const found = executions.sent.find(({ cloudFunctionId }) => cloudFunctionId === taking);
      expect(found).toBeDefined();
      return found!;
    });
    await executions.publish(triggerInvocationResults, succeeded(delivery));
    const shown = async () => (await executions.get(`${webhook}/deliveries`)).body.data;
    await eventually(async () => expect(await shown()).toMatchObject([{ status: 'succeeded', attemptCount: 1 }]));
    await executions.sql.query(`UPDATE executions.executions SET created_at = created_at - interval '2 days' WHERE org_id = $1`, [
      expiring,
    ]);
    await eventually(async () => expect((await executions.get(`/v1/orgs/${expiring}/executions`)).body.data).toEqual([]));
    expect(await shown()).toEqual([]);
  });

  it('has its like for operators: a stream of all organizations', async () => {
    const other = await executions.addOrganization();
    const address = `${executions.addressOf(1)}/v1/notifications/stream`;
    const reader = await StreamReader.open(address);
    const [here, there] = [randomUUID(), randomUUID()];
    await fail(here);
    await executions.publish(triggerInvocationResults, failed(triggerRequest({ orgId: other, cloudFunctionId: there, triggerId: null })));
    const told = ({ events }: StreamReader) =>
      events.filter(({ event }) => event === 'notification').map(({ data }) => data.cloudFunctionId);
    await eventually(() => expect(told(reader)).toEqual(expect.arrayContaining([here, there])));
    const back = await StreamReader.open(`${address}?lastEventId=0`);
    await eventually(() => expect(told(back)).toEqual(expect.arrayContaining([failing, here, there])));
    const token = await executions.addToken(orgId, ['notifications:read', 'executions:read']);
    await eventually(async () => expect((await executions.get('/v1/notifications/stream', token)).status).toBe(403));
    for (const one of [reader, back]) one.close();
  });
});
