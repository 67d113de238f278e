/** Real: the step executor and the engine of the embedded log, in memory. The spec plays the bot runtime and the invoker. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  stepInvocationId,
  stepInvocationRequests,
  stepInvocationResults,
  stepRequests,
  stepResults,
  deadLetters,
  type CloudFunction,
  type InvocationRequest,
  type InvocationResult,
  type StepRequest,
} from '@cf/contract';
import { eventually, TestService } from '@cf/testing';
import { StepExecutorModule } from '../src/index.js';

let service: TestService;
let orgId: string;
let cloudFunction: CloudFunction;

beforeEach(async () => {
  service = await TestService.create(StepExecutorModule);
  orgId = await service.addOrganization();
  cloudFunction = await service.addFunction(orgId);
});
afterEach(() => service.close());

const aStep = (over: Partial<StepRequest> = {}): StepRequest => ({
  ...stepRequests.example,
  requestId: randomUUID(),
  executionId: randomUUID(),
  orgId,
  cloudFunctionId: cloudFunction.id,
  deadline: null,
  ...over,
});
const soon = (ms: number): string => new Date(Date.now() + ms).toISOString();

/** The invocation requests that there are, once there are so many. */
const invoked = (count: number) =>
  eventually(async () => {
    const records = await service.records(stepInvocationRequests);
    expect(records).toHaveLength(count);
    return records.map((record) => ({ ...record, request: JSON.parse(String(record.value)) as InvocationRequest }));
  });
const resulted = (count: number) =>
  eventually(async () => {
    const records = await service.records(stepResults);
    expect(records).toHaveLength(count);
    return records;
  });
const invokerAnswers = (request: InvocationRequest, partition: number, over: Partial<InvocationResult> = {}) =>
  service.publish(stepInvocationResults, { ...stepInvocationResults.example, request, ...over }, { partition });
const settled = () =>
  eventually(async () => expect(await service.hasCommitted('step-executor', [stepRequests, stepInvocationResults])).toBe(true));

describe('a step request on its topic', () => {
  it('is invoked on the partition of the request and answered there, with its ids in the headers', async () => {
    await service.start();
    const step = aStep();
    await service.publish(stepRequests, step);
    const [requested] = await service.records(stepRequests);
    const [sent] = await invoked(1);
    expect(sent).toMatchObject({ partition: requested?.partition, headers: { 'request-id': step.requestId, 'org-id': orgId } });
    await invokerAnswers(sent!.request, sent!.partition);
    const [result] = await resulted(1);
    expect(result?.partition).toBe(requested?.partition);
    expect(result?.headers).toMatchObject({
      'org-id': orgId,
      'request-id': step.requestId,
      'invocation-id': stepInvocationId(orgId, step.requestId),
    });
    const { requestId, executionId, chatId, stepId } = step;
    expect(JSON.parse(String(result?.value))).toMatchObject({
      requestId,
      orgId,
      executionId,
      chatId,
      stepId,
      cloudFunctionId: cloudFunction.id,
      outcome: 'succeeded',
      branch: { kind: 'option', option: 'Scheduled' },
      branchReason: 'matched',
      attribute: { name: 'AppointmentState', value: 'Scheduled' },
      attempts: 1,
      failureReason: null,
    });
    await settled();
  });

  it('lies on the partition of its request though its key says another one', async () => {
    await service.start();
    for (const partition of [0, 1])
      await service.publish(stepRequests, aStep({ executionId: stepRequests.example.executionId }), { partition });
    for (const { request, partition } of await invoked(2)) await invokerAnswers(request, partition);
    expect((await resulted(2)).map(({ partition }) => partition)).toEqual([0, 1]);
  });

  it('gets its result by its deadline with no invoker alive, and a result that comes later is dropped', async () => {
    await service.start();
    const deadline = soon(600);
    await service.publish(stepRequests, aStep({ deadline }));
    const [sent] = await invoked(1);
    expect(sent?.request.deadline).toBe(deadline);
    expect(await service.records(stepResults)).toEqual([]);
    const [result] = await resulted(1);
    expect(JSON.parse(String(result?.value))).toMatchObject({
      outcome: 'failed',
      failureReason: 'deadline_exceeded',
      branch: { kind: 'failure' },
    });
    expect(Math.abs((result?.timestampMs ?? 0) - Date.parse(deadline))).toBeLessThan(400);
    await invokerAnswers(sent!.request, sent!.partition);
    await settled();
    expect(await service.records(stepResults)).toHaveLength(1);
  });

  it('stays uncommitted while it waits: its offset is the durable timer', async () => {
    await service.start();
    await service.publish(stepRequests, aStep());
    const [sent] = await invoked(1);
    expect(await service.hasCommitted('step-executor', [stepRequests])).toBe(false);
    await invokerAnswers(sent!.request, sent!.partition);
    await settled();
  });

  it('sent twice is one invocation and the same bytes, while it waits and after it was answered', async () => {
    await service.start();
    const step = aStep();
    await service.publish(stepRequests, step);
    await service.publish(stepRequests, { ...step, orgId: orgId.toUpperCase(), requestId: step.requestId.toUpperCase() });
    const [sent] = await invoked(1);
    await invokerAnswers(sent!.request, sent!.partition);
    await settled();
    expect(await service.records(stepResults)).toHaveLength(1);
    await service.publish(stepRequests, { ...step, stepName: 'Renamed meanwhile' });
    const results = await resulted(2);
    expect(new Set(results.map(({ value }) => String(value))).size).toBe(1);
    expect(await service.records(stepInvocationRequests)).toHaveLength(1);
  });

  it('of another organization with the same request id gets a result of its own', async () => {
    const otherOrgId = await service.addOrganization();
    const otherFunction = await service.addFunction(otherOrgId, { branchOptions: ['Other'] });
    await service.start();
    const step = aStep();
    await service.publish(stepRequests, step);
    await service.publish(stepRequests, { ...step, orgId: otherOrgId, cloudFunctionId: otherFunction.id });
    for (const { request, partition } of await invoked(2)) {
      await invokerAnswers(request, partition, { returnValue: request.orgId === orgId ? 'Scheduled' : 'Other' });
    }
    await resulted(2);
    const results = await service.messages(stepResults);
    expect(new Map(results.map((result) => [result.orgId, result.branch.option]))).toEqual(
      new Map([
        [orgId, 'Scheduled'],
        [otherOrgId, 'Other'],
      ]),
    );
    expect(new Set(results.map(({ invocationId }) => invocationId)).size).toBe(2);
  });

  it('fails at once without a call when the function cannot be called', async () => {
    const off = await service.addOrganization({ cloudFunctionsEnabled: false });
    const disabled = await service.addFunction(orgId, { enabled: false });
    await service.start();
    const steps: [StepRequest, string][] = [
      [aStep({ orgId: off }), 'feature_disabled'],
      [aStep({ orgId: randomUUID() }), 'feature_disabled'],
      [aStep({ cloudFunctionId: randomUUID() }), 'function_unknown'],
      [aStep({ cloudFunctionId: disabled.id }), 'function_disabled'],
      [aStep({ deadline: soon(-1_000) }), 'deadline_exceeded'],
    ];
    for (const [step] of steps) await service.publish(stepRequests, step);
    await resulted(steps.length);
    const reasons = new Map((await service.messages(stepResults)).map(({ requestId, failureReason }) => [requestId, failureReason]));
    expect(reasons).toEqual(new Map(steps.map(([{ requestId }, reason]) => [requestId, reason])));
    expect(await service.records(stepInvocationRequests)).toEqual([]);
  });

  it('knows a function that was made just before', async () => {
    await service.start();
    const made = await service.addFunction(orgId);
    await service.publish(stepRequests, aStep({ cloudFunctionId: made.id }));
    await invoked(1);
  });

  it('waits beside thousands of others', async () => {
    await service.start();
    const steps = Array.from({ length: 3_000 }, () => aStep());
    await Promise.all(steps.map((step) => service.publish(stepRequests, step)));
    const sent = await invoked(steps.length);
    await Promise.all(sent.map(({ request, partition }) => invokerAnswers(request, partition)));
    await resulted(steps.length);
    const answered = new Set((await service.messages(stepResults)).map(({ requestId }) => requestId));
    expect(answered).toEqual(new Set(steps.map(({ requestId }) => requestId)));
  });
});

describe('a request that is nonsense', () => {
  it('is answered when a request id can be found in it, on its partition, naming what is wrong', async () => {
    await service.start();
    const requestId = randomUUID();
    await service.publishRaw(stepRequests, JSON.stringify({ requestId, orgId, stepId: 'step-9', failureBranch: true, chatId: 7 }), {
      partition: 1,
    });
    await service.publishRaw(stepRequests, JSON.stringify({ requestId: randomUUID() }), { partition: 0 });
    const results = await resulted(2);
    expect(results.map(({ partition }) => partition)).toEqual([0, 1]);
    const [bare, known] = await service.messages(stepResults);
    expect(known).toMatchObject({
      requestId,
      orgId,
      stepId: 'step-9',
      executionId: null,
      chatId: null,
      cloudFunctionId: null,
      outcome: 'failed',
      failureReason: 'invalid_request',
      branch: { kind: 'failure' },
      attempts: 0,
      failureDetail: expect.stringContaining('chatId'),
    });
    expect(bare).toMatchObject({ orgId: null, failureReason: 'invalid_request', branch: { kind: 'default' } });
    expect(await service.records(deadLetters)).toEqual([]);
    await settled();
  });

  it('becomes a dead letter when nobody can be answered, and holds up nothing', async () => {
    await service.start();
    const nonsense = ['{"requestId":', '[]', '{"requestId":"one"}', Buffer.from([0xff, 0xfe])];
    for (const value of nonsense) await service.publishRaw(stepRequests, value, { partition: 0 });
    await service.publish(stepRequests, aStep(), { partition: 0 });
    await invoked(1);
    await eventually(async () => expect(await service.records(deadLetters)).toHaveLength(nonsense.length));
    expect(await service.records(stepResults)).toEqual([]);
  });
});

describe('after a crash that committed nothing', () => {
  it('an answered request is answered again with the same bytes and not called again', async () => {
    await service.start({ commits: false });
    await service.publish(stepRequests, aStep());
    const [sent] = await invoked(1);
    await invokerAnswers(sent!.request, sent!.partition);
    await resulted(1);
    await service.stop();
    await service.start();
    const results = await resulted(2);
    expect(new Set(results.map(({ value }) => String(value))).size).toBe(1);
    await settled();
    expect(await service.records(stepInvocationRequests)).toHaveLength(1);
  });

  it('a request that was sent is not sent again, and its result still answers it', async () => {
    await service.start({ commits: false });
    await service.publish(stepRequests, aStep());
    const [sent] = await invoked(1);
    await service.stop();
    await service.start();
    await invokerAnswers(sent!.request, sent!.partition);
    await resulted(1);
    expect((await service.messages(stepResults))[0]).toMatchObject({ outcome: 'succeeded' });
    await settled();
    expect(await service.records(stepInvocationRequests)).toHaveLength(1);
  });

  it('a result that came while nobody read is used instead of a second call', async () => {
    await service.start({ commits: false });
    await service.publish(stepRequests, aStep());
    const [sent] = await invoked(1);
    await service.stop();
    await invokerAnswers(sent!.request, sent!.partition);
    await service.start();
    await resulted(1);
    expect((await service.messages(stepResults))[0]).toMatchObject({ outcome: 'succeeded' });
    expect(await service.records(stepInvocationRequests)).toHaveLength(1);
  });

  it('a request that was sent gets its result by its deadline all the same', async () => {
    await service.start({ commits: false });
    await service.publish(stepRequests, aStep({ deadline: soon(1_500) }));
    await invoked(1);
    await service.stop();
    await service.start();
    await resulted(1);
    expect((await service.messages(stepResults))[0]).toMatchObject({ failureReason: 'deadline_exceeded' });
    expect(await service.records(stepInvocationRequests)).toHaveLength(1);
  });
});

describe('a graceful stop', () => {
  it('leaves a waiting step to the next owner', async () => {
    await service.start();
    await service.publish(stepRequests, aStep());
    const [sent] = await invoked(1);
    await service.stop();
    expect(await service.records(stepResults)).toEqual([]);
    await service.start();
    await invokerAnswers(sent!.request, sent!.partition);
    await resulted(1);
    await settled();
    expect(await service.records(stepInvocationRequests)).toHaveLength(1);
  });
});

describe('starting', () => {
  it('refuses when the topics of a step differ in their partitions', async () => {
    const uneven = await TestService.create(StepExecutorModule, { partitions: { [stepResults.name]: 3 } });
    await expect(uneven.start()).rejects.toThrow('chatbot.step-results has 3');
    await uneven.close();
  });
});
