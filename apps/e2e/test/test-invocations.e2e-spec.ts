import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CustomerEndpoint, eventually } from '@cf/testing';
import type { Answer } from './harness/api.js';
import { persistently } from './harness/calls.js';
import { type Installation, startInstallation } from './harness/installation.js';
import { Tenant } from './harness/tenant.js';

interface Exchange {
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly hidden?: boolean;
}

interface Tested {
  readonly invocationId: string;
  readonly execution: {
    status: string;
    test: boolean;
    attempts: { number: number; origin: string; request: Exchange; response: Exchange }[];
  };
  readonly result: Record<string, unknown>;
  readonly hints: { code: string; detail: string }[];
  readonly errors?: { pointer: string }[];
}

const eventOfAnother = () => ({
  type: 'ChatOpened',
  id: randomUUID(),
  orgId: randomUUID(),
  timestamp: '2026-11-22T15:04:05.123Z',
  chatId: randomUUID(),
  widgetId: randomUUID(),
  widgetTopicId: randomUUID(),
});

describe('a test invocation', () => {
  let product: Installation;
  let endpoint: CustomerEndpoint;
  let tenant: Tenant;
  beforeAll(async () => {
    product = await startInstallation('embedded');
    endpoint = await CustomerEndpoint.start();
    tenant = await Tenant.create(product.operator);
  });
  afterAll(async () => {
    await endpoint?.close();
    await product?.stop();
  });

  const test = (functionId: string, body: object, as = tenant): Promise<Answer<Tested>> =>
    persistently(
      () => as.api.request<Tested>('POST', tenant.path(`cloud-functions/${functionId}/test-invocations`), body),
      ({ status }) => status !== 503,
    );
  const newFunction = async (rest: object = {}, api: object = {}): Promise<{ id: string; path: string }> => {
    const path = `/tested-${randomUUID()}`;
    return { path, id: await tenant.createFunction(endpoint.url, path.slice(1), rest, api) };
  };

  it('of a step answers the exchange, the branch that would be taken and what is amiss', async () => {
    const secret = `secret-${randomUUID()}`;
    const { id, path } = await newFunction({ branchOptions: ['Yes', 'No'] }, { authorization: { type: 'BearerToken', token: secret } });
    endpoint.answer(path, ({ headers }) => ({ body: JSON.stringify({ returnValue: 'yes', echo: headers.authorization }) }));
    const answer = await test(id, { kind: 'step', saveValueToAttribute: 'State', stepName: 'My step' });
    expect(answer.status).toBe(200);
    const { invocationId, execution, result, hints } = answer.body;
    expect(execution).toMatchObject({ invocationId, kind: 'step', test: true, status: 'succeeded' });
    expect(result).toMatchObject({
      outcome: 'succeeded',
      branch: { kind: 'default', option: null },
      branchReason: 'default_unknown_value',
      nearMiss: 'Yes',
      returnValue: 'yes',
      attribute: { name: 'State', value: 'yes' },
    });
    expect(hints).toEqual([{ code: 'near_miss', detail: 'returned `yes`, the option is `Yes`' }]);
    const [attempt] = execution.attempts;
    expect(attempt).toMatchObject({ number: 1, origin: 'test', request: { headers: { authorization: '***' } } });
    expect(JSON.parse(attempt?.request.body ?? '')).toMatchObject({ type: 'CloudFunctionStepExecution', stepName: 'My step' });
    expect(attempt?.response.body).toContain('Bearer ***');
    expect(JSON.stringify(answer.body)).not.toContain(secret);
    const [call] = endpoint.callsTo(path);
    expect(call?.headers['x-cloud-function-invocation-id']).toBe(invocationId);
    expect(Object.keys(JSON.parse(String(call?.body)) as object)).toHaveLength(10);
  });

  it('of a sample event and of a pasted one reaches the endpoint as it is, without a trigger', async () => {
    const { id, path } = await newFunction();
    const sample = await test(id, { kind: 'trigger', eventType: 'MessagePosted' });
    expect([sample.status, sample.body.result]).toMatchObject([200, { outcome: 'succeeded', branch: null }]);
    const event = tenant.event('ChatOpened', { extra: { nested: [1] } });
    expect((await test(id, { kind: 'trigger', event })).status).toBe(200);
    const [first, second] = endpoint.callsTo(path).map(({ body }) => JSON.parse(String(body)) as Record<string, unknown>);
    expect(first).toMatchObject({ type: 'MessagePosted', orgId: tenant.orgId });
    expect(second).toEqual(event);
  });

  it('of an event that came is sent byte for byte, and shows it to nobody who may not see it', async () => {
    const { id, path } = await newFunction();
    const triggered = await newFunction();
    await tenant.createTrigger(triggered.id, 'ChatStatus');
    endpoint.answer(triggered.path, () => ({ status: 410 }));
    const event = tenant.event('ChatArchived');
    const text = JSON.stringify(event, null, 3);
    await tenant.sendEvent(text);
    await eventually(async () => expect(await tenant.executions(`?eventId=${event.id}&status=dead_lettered`)).toHaveLength(1));
    const answer = await test(id, { kind: 'trigger', eventId: event.id.toUpperCase() });
    expect(answer.status).toBe(200);
    expect(endpoint.callsTo(path).map(({ body }) => String(body))).toEqual([text]);
    expect(answer.body.execution.attempts).toMatchObject([{ request: { hidden: true }, response: { hidden: true } }]);
    expect((await test(id, { kind: 'trigger', eventId: randomUUID() })).status).toBe(404);
  });

  it('is called once whatever comes back, is listed as a test and cannot be retried', async () => {
    const { id, path } = await newFunction();
    endpoint.answer(path, () => ({ status: 503, headers: { 'retry-after': '1' } }));
    const answer = await test(id, { kind: 'trigger', eventType: 'ChatOpened' });
    expect(answer.body).toMatchObject({ execution: { status: 'failed' }, result: { failureReason: 'http_status', httpStatus: 503 } });
    expect(answer.body.hints.map(({ code }) => code)).toEqual(['endpoint_failed']);
    const { invocationId } = answer.body;
    expect((await tenant.executions(`?test=true&cloudFunctionId=${id}`)).map((row) => row.invocationId)).toEqual([invocationId]);
    expect(await tenant.executions(`?test=false&cloudFunctionId=${id}`)).toEqual([]);
    const retry = await tenant.api.request('POST', tenant.path(`executions/${invocationId}/retries`));
    expect([retry.status, retry.body['code']]).toEqual([409, 'test_not_retryable']);
    expect(endpoint.callsTo(path)).toHaveLength(1);
  });

  it('of a disabled function says so', async () => {
    const { id, path } = await newFunction({ enabled: false });
    const answer = await test(id, { kind: 'step', failureBranch: true });
    expect(answer.body.result).toMatchObject({
      failureReason: 'function_disabled',
      branch: { kind: 'failure' },
      branchReason: 'failure_branch',
    });
    expect(answer.body.hints.map(({ code }) => code)).toEqual(['function_disabled']);
    expect(endpoint.callsTo(path)).toEqual([]);
  });

  it.each([
    ['nothing', {}, '/kind'],
    ['another kind', { kind: 'other' }, '/kind'],
    ['an unknown key', { kind: 'step', extra: 1 }, '/extra'],
    ['a step outside a chat', { kind: 'step', chatId: null }, '/chatId'],
    ['no event', { kind: 'trigger' }, ''],
    ['two events', { kind: 'trigger', eventType: 'ChatOpened', eventId: randomUUID() }, ''],
    ['an unknown type', { kind: 'trigger', eventType: 'ChatLost' }, '/eventType'],
    ['an event that is none', { kind: 'trigger', event: { type: 'ChatOpened' } }, '/event/id'],
    ['another organization’s event', { kind: 'trigger', event: { ...eventOfAnother() } }, '/event/orgId'],
  ])('with %s is refused', async (_what, body, pointer) => {
    const { id } = await newFunction();
    const answer = await test(id, body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors?.map((error) => error.pointer)).toContain(pointer);
  });

  it('of another organization’s function is not found, and needs the scope', async () => {
    const { id } = await newFunction();
    const other = await Tenant.create(product.operator, 'Other');
    expect((await test(id, { kind: 'step' }, other)).status).toBe(404);
    const own = other.path(`cloud-functions/${id}/test-invocations`);
    expect((await other.api.request('POST', own, { kind: 'step' })).status).toBe(404);
    const { token } = await product.operator.created(tenant.path('access-tokens'), { name: 'reader', scopes: ['cloud-functions:read'] });
    const reader = product.operator.as(String(token));
    const refused = await reader.request('POST', tenant.path(`cloud-functions/${id}/test-invocations`), { kind: 'step' });
    expect([refused.status, refused.body['code']]).toEqual([403, 'missing_scope']);
  });
});
