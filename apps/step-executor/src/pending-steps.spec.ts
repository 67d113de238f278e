import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  registryChanges,
  stepInvocationResults,
  stepRequests,
  writeTime,
  type CloudFunction,
  type InvocationRequest,
  type InvocationResult,
  type StepResult,
} from '@cf/contract';
import { PublishError } from '@cf/messaging';
import { PendingSteps, stepKey, type StepArrival, type StepPlace } from './pending-steps.js';

const NOW = Date.parse('2026-11-22T15:04:05.000Z');
const request = stepRequests.example;
const key = stepKey(request.orgId, request.requestId);
const arrival: StepArrival = { partition: 3, acceptedAtMs: NOW, traceparent: 'trace' };

const resultOf = (invocation: InvocationRequest, over: Partial<InvocationResult> = {}): InvocationResult => ({
  ...stepInvocationResults.example,
  request: invocation,
  ...over,
});

const world = (pendingMax = 100) => {
  const published: { requests: { request: InvocationRequest; place: StepPlace }[]; results: { text: string; partition: number }[] } = {
    requests: [],
    results: [],
  };
  const configuration = {
    organization: { id: request.orgId, name: 'Clinic', cloudFunctionsEnabled: true, retentionDays: 30 },
    cloudFunction: registryChanges.example.resource as CloudFunction | undefined,
    configOffset: 7,
  };
  const ports = {
    configuration: () => configuration,
    caughtUp: jest.fn(async () => undefined),
    publishRequest: jest.fn(
      async (invocation: InvocationRequest, place: StepPlace) => void published.requests.push({ request: invocation, place }),
    ),
    publishResult: jest.fn(
      async (_: StepResult, text: string, { partition }: StepPlace) => void published.results.push({ text, partition }),
    ),
    answered: jest.fn(),
    repeated: jest.fn(),
    droppedLate: jest.fn(),
  };
  const steps = new PendingSteps(ports, { answersWindowMs: 600_000, answersBytesMax: 1_000_000, pendingMax });
  const answers = () => published.results.map(({ text }) => JSON.parse(text) as StepResult);
  const invocation = async (): Promise<InvocationRequest> => {
    await jest.advanceTimersByTimeAsync(0);
    const sent = published.requests.at(-1);
    if (sent === undefined) throw new Error('nothing was invoked');
    return sent.request;
  };
  return { steps, ports, published, answers, invocation, configuration };
};

beforeEach(() => void jest.useFakeTimers({ now: NOW }));
afterEach(() => void jest.useRealTimers());

describe('a step', () => {
  it('is invoked on its partition and answered with the first result on the same partition', async () => {
    const { steps, published, answers, invocation } = world();
    const handled = steps.accept(request, arrival);
    await steps.settle(resultOf(await invocation()), 3);
    await handled;
    expect(published.requests.map(({ place }) => place.partition)).toEqual([3]);
    expect(published.results.map(({ partition }) => partition)).toEqual([3]);
    expect(answers()).toMatchObject([{ outcome: 'succeeded', branch: { option: 'Scheduled' } }]);
  });

  it('is answered at its deadline when no invoker is alive, and a late result is dropped', async () => {
    const { steps, ports, answers, invocation } = world();
    const handled = steps.accept(request, arrival);
    const sent = await invocation();
    await jest.advanceTimersByTimeAsync(14_990);
    expect(answers()).toEqual([]);
    await jest.advanceTimersByTimeAsync(10);
    await handled;
    expect(answers()).toMatchObject([{ failureReason: 'deadline_exceeded', durationMs: 15_000, completedAt: writeTime(NOW + 15_000) }]);
    await steps.settle(resultOf(sent), 3);
    expect(answers()).toHaveLength(1);
    expect(ports.droppedLate).toHaveBeenCalledTimes(1);
  });

  it('has one result when result and timer come at once', async () => {
    const { steps, answers, invocation } = world();
    const handled = steps.accept(request, arrival);
    const sent = await invocation();
    jest.setSystemTime(NOW + 15_000);
    const settled = steps.settle(resultOf(sent), 3);
    jest.advanceTimersByTime(15_000);
    await Promise.all([settled, handled]);
    expect(answers()).toHaveLength(1);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('is one call and one result when it is asked for again while pending, whatever the case of its ids and its content', async () => {
    const { steps, published, invocation } = world();
    const first = steps.accept(request, arrival);
    const second = steps.accept({ ...request, requestId: request.requestId.toUpperCase(), stepName: 'Another' }, arrival);
    await steps.settle(resultOf(await invocation()), 3);
    await Promise.all([first, second]);
    expect([published.requests.length, published.results.length]).toEqual([1, 1]);
  });

  it('gets the same bytes when it is asked for again after its answer, on the partition of the repeat', async () => {
    const { steps, published, invocation } = world();
    const handled = steps.accept(request, arrival);
    const attached = steps.accept(request, { ...arrival, partition: 5 });
    await steps.settle(resultOf(await invocation()), 3);
    await Promise.all([handled, attached]);
    jest.setSystemTime(NOW + 60_000);
    await steps.accept(request, { ...arrival, partition: 9, acceptedAtMs: NOW + 60_000 });
    expect(published.requests).toHaveLength(1);
    expect(published.results.map(({ partition }) => partition)).toEqual([3, 5, 9]);
    expect(new Set(published.results.map(({ text }) => text)).size).toBe(1);
  });

  it('of another organization with the same request id is another step', async () => {
    const { steps, published } = world();
    void steps.accept(request, arrival);
    void steps.accept({ ...request, orgId: '99999999-8f1e-4a0e-9a63-0c6a1c6f5d11' }, arrival);
    await jest.advanceTimersByTimeAsync(0);
    expect(new Set(published.requests.map(({ request: { invocationId } }) => invocationId)).size).toBe(2);
    await jest.advanceTimersByTimeAsync(15_000);
    expect(published.results).toHaveLength(2);
  });

  it('that arrives past its deadline fails at once without a call', async () => {
    const { steps, published, answers } = world();
    await steps.accept({ ...request, deadline: writeTime(NOW - 1) }, arrival);
    expect(published.requests).toEqual([]);
    expect(answers()).toMatchObject([{ failureReason: 'deadline_exceeded', attempts: 0 }]);
  });

  it('of an unknown function asks the registry before it says so, and is called when the answer names it', async () => {
    const { steps, ports, published, answers, configuration } = world();
    const known = configuration.cloudFunction;
    configuration.cloudFunction = undefined;
    await steps.accept(request, arrival);
    expect(ports.caughtUp).toHaveBeenCalledTimes(1);
    expect(answers()).toMatchObject([{ failureReason: 'function_unknown' }]);

    ports.caughtUp.mockImplementationOnce(async () => void (configuration.cloudFunction = known));
    void steps.accept({ ...request, requestId: '11111111-3e5d-4a3f-8f65-5a3a1d1c7e01' }, arrival);
    await jest.advanceTimersByTimeAsync(0);
    expect(published.requests).toHaveLength(1);
    steps.drop(new Set([3]));
  });

  it('is refused at once when too many wait', async () => {
    const { steps, answers } = world(1);
    steps.accept(request, arrival).catch(() => undefined);
    await steps.accept({ ...request, requestId: '11111111-3e5d-4a3f-8f65-5a3a1d1c7e01' }, arrival);
    expect(answers()).toMatchObject([{ failureReason: 'rate_limited' }]);
    steps.drop(new Set([3]));
  });
});

describe('taking over a partition', () => {
  it('answers again what was answered, with the bytes that were read back', async () => {
    const { steps, published } = world();
    steps.restoreAnswer(key, '{"requestId":"kept"}', 3, NOW - 1_000);
    steps.restoreSent(key, 3, NOW - 1_000);
    await steps.accept(request, arrival);
    expect(published).toEqual({ requests: [], results: [{ text: '{"requestId":"kept"}', partition: 3 }] });
  });

  it('uses a result that was published before its request was read again', async () => {
    const { steps, published, answers } = world();
    steps.restoreSent(key, 3, NOW - 1_000);
    await steps.settle({ ...stepInvocationResults.example, completedAt: writeTime(NOW) }, 3);
    await steps.accept(request, arrival);
    expect(published.requests).toEqual([]);
    expect(answers()).toMatchObject([{ outcome: 'succeeded' }]);
  });

  it('waits with a timer for a request that was sent already, also past the deadline', async () => {
    const { steps, published, answers } = world();
    steps.restoreSent(key, 3, NOW - 1_000);
    const handled = steps.accept(request, arrival);
    await jest.advanceTimersByTimeAsync(15_000);
    await handled;
    expect(published.requests).toEqual([]);
    expect(answers()).toMatchObject([{ failureReason: 'deadline_exceeded', failureDetail: expect.stringContaining('not known') }]);
  });
});

describe('trouble with the log', () => {
  it('leaves nothing behind when the invocation request is not acknowledged, so that the handler can be tried again', async () => {
    const { steps, ports, published } = world();
    ports.publishRequest.mockRejectedValueOnce(new PublishError('unavailable', 'away', true));
    await expect(steps.accept(request, arrival)).rejects.toMatchObject({ retryable: true });
    expect([steps.size.pending, jest.getTimerCount()]).toEqual([0, 0]);
    void steps.accept(request, arrival);
    await jest.advanceTimersByTimeAsync(0);
    expect(published.requests).toHaveLength(1);
    steps.drop(new Set([3]));
  });

  it('answers internal when the invocation request can never be published', async () => {
    const { steps, ports, answers } = world();
    ports.publishRequest.mockRejectedValueOnce(new PublishError('too_large', 'too large', false));
    await steps.accept(request, arrival);
    expect(answers()).toMatchObject([{ failureReason: 'internal' }]);
  });

  it('publishes the same answer again when it was not acknowledged', async () => {
    const { steps, ports, published, invocation } = world();
    const first = steps.accept(request, arrival);
    first.catch(() => undefined);
    const sent = await invocation();
    ports.publishResult.mockRejectedValueOnce(new PublishError('unavailable', 'away', true));
    await expect(steps.settle(resultOf(sent), 3)).rejects.toMatchObject({ retryable: true });
    await expect(first).rejects.toMatchObject({ retryable: true });
    jest.setSystemTime(NOW + 1_000);
    await steps.accept(request, arrival);
    expect(published.results).toHaveLength(1);
    expect(JSON.parse(published.results[0]?.text ?? '')).toMatchObject({ completedAt: writeTime(NOW) });
  });

  it('lets go of a lost partition and publishes nothing more for it', async () => {
    const { steps, published, invocation } = world();
    const handled = steps.accept(request, arrival);
    handled.catch(() => undefined);
    const sent = await invocation();
    steps.drop(new Set([3]));
    await expect(handled).rejects.toMatchObject({ code: 'partition_lost' });
    await jest.advanceTimersByTimeAsync(60_000);
    await steps.settle(resultOf(sent), 3);
    expect(published.results).toEqual([]);
  });
});

describe('a request that cannot be read', () => {
  const nonsense = {
    requestId: request.requestId,
    orgId: null,
    executionId: null,
    chatId: null,
    stepId: null,
    cloudFunctionId: null,
    failureBranch: false,
  };
  const failure = { reason: 'invalid_request', detail: 'orgId: must be a uuid' } as const;

  it('gets a coded answer', async () => {
    const { steps, answers } = world();
    await steps.refuse(nonsense, failure, arrival);
    expect(answers()).toMatchObject([{ failureReason: 'invalid_request', orgId: null, branchReason: 'no_failure_branch' }]);
  });

  it('has the answer of its request id when that is known', async () => {
    const { steps, published } = world();
    steps.restoreAnswer(key, '{"kept":true}', 3, NOW);
    await steps.refuse({ ...nonsense, orgId: request.orgId }, failure, arrival);
    expect(published.results).toEqual([{ text: '{"kept":true}', partition: 3 }]);
  });
});
