import { randomUUID } from 'node:crypto';
import {
  type Attempt,
  type InvocationRequest,
  type InvocationResult,
  stepInvocationId,
  stepInvocationRequests,
  stepInvocationResults,
  type StepResult,
  stepResults,
  triggerInvocationRequests,
} from '@cf/contract';

export const triggerRequest = (overrides: Partial<InvocationRequest> = {}): InvocationRequest => ({
  ...triggerInvocationRequests.example,
  invocationId: randomUUID(),
  event: { id: randomUUID(), type: 'ChatOpened' },
  acceptedAt: new Date().toISOString(),
  ...overrides,
});

export const stepRequest = (overrides: Partial<InvocationRequest> = {}): InvocationRequest => {
  const step = { ...stepInvocationRequests.example.step!, requestId: randomUUID() };
  const orgId = overrides.orgId ?? stepInvocationRequests.example.orgId;
  return {
    ...stepInvocationRequests.example,
    invocationId: stepInvocationId(orgId, (overrides.step ?? step).requestId),
    acceptedAt: new Date().toISOString(),
    step,
    ...overrides,
  };
};

export const attemptOf = (request: InvocationRequest, overrides: Partial<Attempt> = {}): Attempt => ({
  ...stepInvocationResults.example.attempts[0]!,
  attemptId: randomUUID(),
  number: request.attempt,
  origin: request.origin,
  startedAt: new Date().toISOString(),
  ...overrides,
});

const ended = (request: InvocationRequest): InvocationResult => ({
  request,
  disposition: 'done',
  outcome: 'succeeded',
  failureReason: null,
  failureDetail: null,
  deferReason: null,
  httpStatus: 200,
  returnValue: null,
  warning: null,
  dueAt: null,
  attempts: [attemptOf(request)],
  completedAt: new Date().toISOString(),
  circuit: null,
});

const failedWith500 = (request: InvocationRequest): Partial<InvocationResult> => ({
  outcome: 'failed',
  failureReason: 'http_status',
  httpStatus: 500,
  attempts: [attemptOf(request, { httpStatus: 500, failureReason: 'http_status' })],
});

export const succeeded = (request: InvocationRequest, overrides: Partial<InvocationResult> = {}): InvocationResult => ({
  ...ended(request),
  ...overrides,
});

export const failed = (request: InvocationRequest, overrides: Partial<InvocationResult> = {}): InvocationResult => ({
  ...ended(request),
  ...failedWith500(request),
  ...overrides,
});

export const retrying = (request: InvocationRequest, dueAt: Date, overrides: Partial<InvocationResult> = {}): InvocationResult => ({
  ...ended(request),
  ...failedWith500(request),
  disposition: 'retrying',
  dueAt: dueAt.toISOString(),
  ...overrides,
});

export const deferred = (request: InvocationRequest, dueAt: Date, overrides: Partial<InvocationResult> = {}): InvocationResult => ({
  ...ended(request),
  disposition: 'deferred',
  outcome: null,
  deferReason: 'circuit_open',
  httpStatus: null,
  attempts: [],
  dueAt: dueAt.toISOString(),
  ...overrides,
});

export const suppressed = (request: InvocationRequest): InvocationResult => ({
  ...ended(request),
  disposition: 'suppressed',
  outcome: null,
  httpStatus: null,
  attempts: [],
});

export const stepResultOf = (request: InvocationRequest, overrides: Partial<StepResult> = {}): StepResult => ({
  ...stepResults.example,
  requestId: request.step!.requestId,
  orgId: request.orgId,
  executionId: request.step!.executionId,
  chatId: request.chatId,
  stepId: request.step!.stepId,
  cloudFunctionId: request.cloudFunctionId,
  invocationId: request.invocationId,
  completedAt: new Date().toISOString(),
  ...overrides,
});

/** The request of the next sending, as a claimer would send it. */
export const again = (request: InvocationRequest, overrides: Partial<InvocationRequest> = {}): InvocationRequest => ({
  ...request,
  seq: request.seq + 1,
  attempt: request.attempt + 1,
  ...overrides,
});

export const inMs = (ms: number): Date => new Date(Date.now() + ms);
