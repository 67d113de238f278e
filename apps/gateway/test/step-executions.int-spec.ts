/** Real: the gateway over HTTP and the engine of the embedded log, in memory. The spec plays the step executor. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { stepRequest, stepRequests, stepResults, type StepRequest, type StepResult } from '@cf/contract';
import { eventually, TestService } from '@cf/testing';
import { GatewayModule } from '../src/index.js';

let service: TestService;
let orgId: string;
let token: string;

beforeEach(async () => {
  process.env['GATEWAY_WAITING_STEPS_MAX'] = '3';
  process.env['GATEWAY_WAITING_STEPS_OF_ORGANIZATION_MAX'] = '2';
  service = await TestService.create(GatewayModule);
  orgId = await service.addOrganization();
  token = await service.addToken(orgId, ['step-executions:run']);
  await service.start();
  await eventually(async () => expect((await fetch(`${service.address}/health/ready`)).status).toBe(200));
});
afterEach(async () => {
  await service.close();
  delete process.env['GATEWAY_WAITING_STEPS_MAX'];
  delete process.env['GATEWAY_WAITING_STEPS_OF_ORGANIZATION_MAX'];
});

const soon = (ms: number): string => new Date(Date.now() + ms).toISOString();
const aBody = (over: Partial<StepRequest> = {}): Omit<StepRequest, 'orgId'> => {
  const { orgId: _, ...body } = stepRequests.example;
  return { ...body, requestId: randomUUID(), ...over };
};
const run = (body: unknown, options: Parameters<TestService['post']>[2] = {}) =>
  service.post(`/v1/orgs/${orgId}/step-executions`, JSON.stringify(body), { token, ...options });
const requested = (count: number) =>
  eventually(async () => {
    const records = await service.records(stepRequests);
    expect(records).toHaveLength(count);
    return records.map(({ value, partition }) => ({ partition, request: stepRequest.parse(JSON.parse(String(value))) }));
  });
const resultOf = (request: StepRequest, over: Partial<StepResult> = {}): StepResult => ({
  ...stepResults.example,
  requestId: request.requestId,
  orgId: request.orgId,
  executionId: request.executionId,
  ...over,
});
const answer = (result: StepResult, partition: number) => service.publish(stepResults, result, { partition });
const waiting = async (): Promise<number> => {
  const text = await (await fetch(`${service.address}/metrics`)).text();
  return Number(/^cf_gateway_waiting_steps (\d+)/m.exec(text)?.[1]);
};

describe('running a step over HTTP', () => {
  it('answers with the result that came for it', async () => {
    const body = aBody();
    const answered = run(body);
    const [sent] = await requested(1);
    expect(sent?.request).toEqual({ ...body, orgId });
    await answer(resultOf(sent!.request), sent!.partition);
    const { status, text, headers } = await answered;
    expect([status, text]).toEqual([200, JSON.stringify(resultOf(sent!.request))]);
    expect(headers.get('content-type')).toContain('application/json');
    expect(await waiting()).toBe(0);
  });

  it('answers 200 for a failed result too', async () => {
    const answered = run(aBody());
    const [sent] = await requested(1);
    await answer(resultOf(sent!.request, { outcome: 'failed', failureReason: 'timeout' }), sent!.partition);
    expect(await answered).toMatchObject({ status: 200, body: { outcome: 'failed', failureReason: 'timeout' } });
  });

  it('waits a moment for the result of a step whose deadline has passed', async () => {
    const answered = run(aBody({ deadline: soon(-60_000) }));
    const [sent] = await requested(1);
    await answer(resultOf(sent!.request, { outcome: 'failed', failureReason: 'deadline_exceeded' }), sent!.partition);
    expect(await answered).toMatchObject({ status: 200, body: { failureReason: 'deadline_exceeded' } });
  });

  it('takes only a result of its own organization and request', async () => {
    const answered = run(aBody());
    const [sent] = await requested(1);
    await answer(resultOf({ ...sent!.request, orgId: randomUUID() }, { returnValue: 'Stolen' }), sent!.partition);
    await answer(resultOf({ ...sent!.request, requestId: randomUUID() }, { returnValue: 'Another' }), sent!.partition);
    await answer(resultOf({ ...sent!.request, requestId: sent!.request.requestId.toUpperCase() }), sent!.partition);
    expect((await answered).body).toMatchObject({ returnValue: 'Scheduled' });
  });

  it('gives every caller of one request id the first result, also when another one follows', async () => {
    const body = aBody();
    const both = [run(body), run(body)];
    const [sent] = await requested(2);
    await answer(resultOf(sent!.request, { returnValue: 'First' }), sent!.partition);
    await answer(resultOf(sent!.request, { returnValue: 'Second' }), sent!.partition);
    for (const { body: result } of await Promise.all(both)) expect(result).toMatchObject({ returnValue: 'First' });
    const later = run(body);
    await requested(3);
    await answer(resultOf(sent!.request, { returnValue: 'Third' }), sent!.partition);
    expect((await later).body).toMatchObject({ returnValue: 'First' });
  });

  it('answers 504 two seconds after the deadline when no result came', async () => {
    const startedAtMs = Date.now();
    expect(await run(aBody({ deadline: soon(100) }))).toMatchObject({ status: 504, body: { code: 'no_result' } });
    expect(Date.now() - startedAtMs).toBeGreaterThanOrEqual(2_050);
    expect(Date.now() - startedAtMs).toBeLessThan(4_000);
    expect(await waiting()).toBe(0);
  });

  it('lets go of a caller who hung up', async () => {
    const caller = new AbortController();
    const answered = run(aBody(), { signal: caller.signal });
    await requested(1);
    expect(await waiting()).toBe(1);
    caller.abort();
    await expect(answered).rejects.toThrow();
    await eventually(async () => expect(await waiting()).toBe(0));
  });

  it('leaves room for others when one organization has as many waiting as it may, and answers 503 when nobody has', async () => {
    const otherOrgId = await service.addOrganization();
    const otherToken = await service.addToken(otherOrgId, ['step-executions:run']);
    const runOther = () => service.post(`/v1/orgs/${otherOrgId}/step-executions`, JSON.stringify(aBody()), { token: otherToken });
    const waiters = [run(aBody()), run(aBody())];
    await requested(2);
    const refused = await run(aBody());
    expect(refused).toMatchObject({ status: 429, body: { code: 'too_many_waiting' } });
    expect(refused.headers.get('retry-after')).toBe('1');
    waiters.push(runOther());
    const sent = await requested(3);
    const busy = await runOther();
    expect(busy).toMatchObject({ status: 503, body: { code: 'too_busy' } });
    expect(busy.headers.get('retry-after')).toBe('1');
    for (const { request, partition } of sent) await answer(resultOf(request), partition);
    expect((await Promise.all(waiters)).map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it('refuses what does not fit with pointers and publishes nothing', async () => {
    expect(await run(aBody({ requestId: 'one', chatBotType: 'Fax' as 'Journey' }))).toMatchObject({
      status: 400,
      body: {
        code: 'invalid_request',
        errors: expect.arrayContaining([
          expect.objectContaining({ pointer: '/requestId' }),
          expect.objectContaining({ pointer: '/chatBotType' }),
        ]),
      },
    });
    expect(await run({ ...aBody(), orgId: randomUUID() })).toMatchObject({ status: 400, body: { errors: [{ pointer: '/orgId' }] } });
    expect((await run([])).status).toBe(400);
    expect(await service.records(stepRequests)).toEqual([]);
  });

  it('needs the scope and the organization', async () => {
    expect((await run(aBody(), { token: await service.addToken(orgId, ['chat-events:publish']) })).status).toBe(403);
    expect((await run(aBody(), { token: await service.addToken(await service.addOrganization(), ['step-executions:run']) })).status).toBe(
      404,
    );
  });
});
