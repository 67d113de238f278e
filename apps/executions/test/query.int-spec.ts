/** Real: Postgres, HTTP, the consumers. In memory: the log. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type InvocationRequest, stepInvocationResults, stepResults, triggerInvocationResults } from '@cf/contract';
import { encodeCursor } from '@cf/service-kit';
import { eventually } from '@cf/testing';
import { attemptOf, failed, inMs, retrying, stepRequest, stepResultOf, succeeded, triggerRequest } from './messages.js';
import { RunningExecutions } from './running-executions.js';

describe('the executions API', () => {
  let executions: RunningExecutions;
  let orgId: string;
  let list: string;
  const triggerId = randomUUID();
  const chatId = randomUUID();
  const requests: InvocationRequest[] = [];
  let step: InvocationRequest;
  let waiting: InvocationRequest;
  let tokens: Record<'reader' | 'revealer' | 'writer' | 'other', string>;

  const ids = async (query: string): Promise<string[]> => {
    const { status, body } = await executions.get(`${list}?${query}`);
    expect(status).toBe(200);
    return body.data.map(({ invocationId }: { invocationId: string }) => invocationId);
  };

  beforeAll(async () => {
    executions = await RunningExecutions.start();
    orgId = await executions.addOrganization();
    list = `/v1/orgs/${orgId}/executions`;
    await executions.setTrigger(orgId, triggerId);
    const other = await executions.addOrganization();
    tokens = {
      reader: await executions.addToken(orgId, ['executions:read']),
      revealer: await executions.addToken(orgId, ['executions:read', 'executions:reveal']),
      writer: await executions.addToken(orgId, ['executions:write']),
      other: await executions.addToken(other, ['executions:read', 'executions:write', 'executions:reveal']),
    };
    const at = (second: number): string => `2026-01-01T00:00:${String(second).padStart(2, '0')}.000Z`;
    // Pairs share their time, so that the order within one time counts too.
    for (let number = 0; number < 10; number++) requests.push(triggerRequest({ orgId, triggerId, acceptedAt: at(Math.floor(number / 2)) }));
    step = stepRequest({ orgId, chatId: chatId.toUpperCase(), acceptedAt: at(20) });
    waiting = triggerRequest({ orgId, triggerId, chatId, acceptedAt: at(30) });
    await executions.publish(
      triggerInvocationResults,
      ...requests.map((request, number) => (number < 5 ? succeeded(request) : failed(request))),
    );
    await executions.publish(triggerInvocationResults, retrying(waiting, inMs(3_600_000)));
    await executions.publish(stepInvocationResults, succeeded(step));
    await executions.publish(stepResults, stepResultOf(step));
    await eventually(async () =>
      expect(await executions.recorded([triggerInvocationResults, stepInvocationResults, stepResults])).toBe(true),
    );
  });
  afterAll(() => executions.stop());

  it('lists newest first, in pages that neither repeat nor skip', async () => {
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await executions.get(`${list}?limit=3${cursor === null ? '' : `&cursor=${cursor}`}`);
      seen.push(...page.body.data.map(({ invocationId }: { invocationId: string }) => invocationId));
      cursor = page.body.nextCursor;
    } while (cursor !== null);
    const newestFirst = [waiting, step, ...requests].sort((a, b) =>
      a.acceptedAt < b.acceptedAt || (a.acceptedAt === b.acceptedAt && a.invocationId < b.invocationId) ? 1 : -1,
    );
    expect(seen).toEqual(newestFirst.map(({ invocationId }) => invocationId));
  });

  it('shows no attempts in a list', async () => {
    const { body } = await executions.get(`${list}?limit=1`);
    expect(body.data[0]).not.toHaveProperty('attempts');
    expect(body.data[0]).toMatchObject({ branch: null, returnValue: null, completedAt: null });
  });

  it('filters by each field, several values meaning any', async () => {
    const dead = requests.slice(5).map(({ invocationId }) => invocationId);
    expect((await ids('status=dead_lettered')).sort()).toEqual([...dead].sort());
    expect(await ids('status=dead_lettered&status=retrying')).toHaveLength(6);
    expect(await ids('kind=step')).toEqual([step.invocationId]);
    expect(await ids('test=true')).toEqual([]);
    expect(await ids('test=false')).toHaveLength(12);
    expect(await ids(`triggerId=${triggerId.toUpperCase()}`)).toHaveLength(11);
    expect(await ids(`cloudFunctionId=${randomUUID()}`)).toEqual([]);
    expect(await ids(`cloudFunctionId=${step.cloudFunctionId}`)).toHaveLength(12);
    expect(await ids(`chatId=${chatId}`)).toEqual([waiting.invocationId, step.invocationId]);
    expect(await ids(`eventId=${requests[3]!.event!.id.toUpperCase()}`)).toEqual([requests[3]!.invocationId]);
    expect(await ids(`requestId=${step.step!.requestId}`)).toEqual([step.invocationId]);
    expect(await ids('failureReason=http_status&status=dead_lettered')).toHaveLength(5);
    expect(await ids('createdAt[gte]=2026-01-01T00:00:20Z')).toEqual([waiting.invocationId, step.invocationId]);
    expect(await ids('createdAt[gt]=2026-01-01T01:00:20%2B01:00')).toEqual([waiting.invocationId]);
    expect(await ids('createdAt[lt]=2026-01-01T00:00:01Z&kind=trigger')).toHaveLength(2);
    expect(await ids('createdAt[lte]=2026-01-01T00:00:01Z')).toHaveLength(4);
  });

  it('passes ids of the platform on as they came', async () => {
    const { body } = await executions.get(`${list}/${step.invocationId.toUpperCase()}`);
    expect(body.chatId).toBe(chatId.toUpperCase());
  });

  it.each([
    'limit=101',
    'limit=0',
    'limit=x',
    'cursor=nonsense',
    'colour=red',
    'status=done',
    'kind=both',
    'test=yes',
    'chatId=1',
    'createdAt=2026-01-01T00:00:00Z',
    'createdAt[gte]=yesterday',
    'createdAt[gte]=0000-01-01T00:00:00Z',
    'createdAt[gte]=9999-12-31T23:59:59-23:59',
    `cursor=${encodeCursor({ createdAt: '0000-01-01T00:00:00Z', invocationId: randomUUID() })}`,
    'createdAt[ne]=2026-01-01T00:00:00Z',
    'test=true&test=false',
    'durationMs[gte]=-5',
    'httpStatus=5xx',
    'eventType=%00',
  ])('refuses %s', async (query) => {
    const { status, body } = await executions.get(`${list}?${query}`);
    expect(status).toBe(400);
    expect(body.errors.length).toBeGreaterThan(0);
  });

  it('refuses a query parameter on one execution, and a body that says something unknown', async () => {
    expect((await executions.get(`${list}/${step.invocationId}?reveal=true`)).status).toBe(400);
    expect((await executions.request('POST', `${list}/${waiting.invocationId}/retries`, { body: { force: true } })).status).toBe(400);
  });

  it('hides requests and responses from all but the reveal scope, operators included', async () => {
    const request = requests[0]!;
    for (const token of [tokens.reader, undefined]) {
      const { body } = await executions.get(`${list}/${request.invocationId}`, token);
      expect(body.attempts[0]).toMatchObject({ request: { hidden: true }, response: { hidden: true } });
      expect(JSON.stringify(body)).not.toContain(JSON.stringify(request.body));
    }
    const { body } = await executions.get(`${list}/${request.invocationId}`, tokens.revealer);
    expect(body.attempts[0]).toMatchObject({
      request: { headers: { 'content-type': 'application/json; charset=utf-8' }, body: request.body, truncated: false },
      response: { headers: { 'content-type': 'application/json' }, body: '{"returnValue":"Scheduled"}', truncated: false },
    });
  });

  it('shows at most 8 KiB of a request, and sends all of it again', async () => {
    const body = `{"text":"${'é'.repeat(50_000)}"}`;
    const request = triggerRequest({ orgId, triggerId, body });
    const attempt = attemptOf(request, { response: null, httpStatus: null, failureReason: 'timeout' });
    await executions.publish(triggerInvocationResults, failed(request, { attempts: [attempt] }));
    const shown = await eventually(async () => {
      const answer = await executions.get(`${list}/${request.invocationId}`, tokens.revealer);
      expect(answer.status).toBe(200);
      return answer.body.attempts[0];
    });
    expect(shown).toMatchObject({ request: { truncated: true }, response: null });
    expect(Buffer.byteLength(shown.request.body)).toBeLessThanOrEqual(8 * 1024);
    expect(body.startsWith(shown.request.body)).toBe(true);
    expect((await executions.request('POST', `${list}/${request.invocationId}/retries`)).status).toBe(202);
    const sent = await eventually(() => {
      expect(executions.sentOf(request.invocationId)).toHaveLength(1);
      return executions.sentOf(request.invocationId)[0]!;
    });
    expect(sent.body).toBe(body);
    await executions.publish(triggerInvocationResults, succeeded(sent));
    await eventually(async () => {
      const { rows } = await executions.sql.query<{ truncated: boolean; bytes: number }>(
        'SELECT truncated, octet_length(body) AS bytes FROM executions.requests WHERE invocation_id = $1',
        [request.invocationId],
      );
      expect(rows).toEqual([{ truncated: true, bytes: Buffer.byteLength(shown.request.body) }]);
    });
  });

  it('answers 401, 403 and 404 to whoever may not', async () => {
    const one = `${list}/${step.invocationId}`;
    expect((await executions.get(list, 'nobody')).status).toBe(401);
    expect((await executions.get(list, tokens.writer)).status).toBe(403);
    expect((await executions.request('POST', `${one}/retries`, { token: tokens.reader })).status).toBe(403);
    for (const path of [list, one]) expect((await executions.get(path, tokens.other)).status).toBe(404);
    expect((await executions.request('POST', `${one}/retries`, { token: tokens.other })).status).toBe(404);
    expect((await executions.get(`${list}/${randomUUID()}`)).status).toBe(404);
    expect((await executions.get(`${list}/nonsense`)).status).toBe(404);
  });

  it('shows one organization nothing of another', async () => {
    const other = await executions.addOrganization();
    const token = await executions.addToken(other, ['executions:read', 'executions:write']);
    const seen = await eventually(async () => {
      const answer = await executions.get(`/v1/orgs/${other}/executions`, token);
      expect(answer.status).toBe(200);
      return answer.body;
    });
    expect(seen).toEqual({ data: [], nextCursor: null });
    const { body } = await executions.get(`${list}?limit=1`);
    expect((await executions.get(`/v1/orgs/${other}/executions?cursor=${body.nextCursor}`, token)).status).toBe(400);
    expect((await executions.get(`/v1/orgs/${other}/executions/${waiting.invocationId}`, token)).status).toBe(404);
    expect((await executions.request('POST', `/v1/orgs/${other}/executions/${waiting.invocationId}/retries`, { token })).status).toBe(404);
  });

  it('refuses to retry a step', async () => {
    const { status, body } = await executions.request('POST', `${list}/${step.invocationId}/retries`, { token: tokens.writer });
    expect({ status, code: body.code }).toEqual({ status: 409, code: 'step_not_retryable' });
  });
});
