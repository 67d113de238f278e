/**
 * An execution is the fold of every result that was ever heard of its invocation. Results come more than once, late, and in
 * any order (two topics, replays, crashes), so each rule below gives the same row whatever the order was.
 *
 * Triggers: `seq` is the next sending. A result of `seq` or higher is news and decides; scheduling results write seq + 1 and a
 * time. A lower one is old and changes nothing but the attempts. One exception: after a crash the same sending may have been
 * called twice. As long as nobody acted on the first answer (`byResult`), the better of the two twins stands, so that a success
 * stops a retry that was not sent yet.
 *
 * What was cancelled stays so: an answer that comes afterwards (its sending had gone out unmarked) only takes its place in the sequence,
 * unless it is a success, which is the truth that a person needs.
 *
 * Steps: the attempts and the description come from invocation results, the verdict from the step result with the lowest offset.
 */
import {
  type ExecutionStatus,
  type InvocationKind,
  type InvocationRequest,
  type InvocationResult,
  sameId,
  type StepResult,
  uuid,
  writeTime,
} from '@cf/contract';
import type { Execution } from '../execution.js';

/** An id of one organization was used by another: recording it would cross the tenants (invariant 11). */
export class ForeignInvocationError extends Error {
  readonly code = 'foreign_invocation';
  readonly retryable = false;
}

const refuseForeign = (known: Execution | null, orgId: string): void => {
  if (known !== null && known.orgId !== sameId(orgId)) throw new ForeignInvocationError('the invocation belongs to another organization');
};

/** All properties in one literal: rows that are made alike are copied fast. */
const unheard = (invocationId: string, orgId: string, kind: InvocationKind, createdAt: string): Execution => ({
  invocationId: sameId(invocationId),
  orgId: sameId(orgId),
  kind,
  test: false,
  status: 'queued',
  seq: 0,
  nextAttempt: 1,
  byResult: false,
  attemptCount: 0,
  paused: false,
  bulk: false,
  retryUntil: null,
  cloudFunctionId: null,
  triggerId: null,
  eventId: null,
  eventType: null,
  chatId: null,
  requestId: null,
  botExecutionId: null,
  chatBotId: null,
  chatBotName: null,
  chatBotType: null,
  stepName: null,
  stepId: null,
  saveValueToAttribute: null,
  failureBranch: null,
  branchKind: null,
  branchOption: null,
  branchReason: null,
  nearMiss: null,
  returnValue: null,
  warning: null,
  failureReason: null,
  failureDetail: null,
  deferReason: null,
  httpStatus: null,
  durationMs: null,
  nextAttemptAt: null,
  completedAt: null,
  acceptedAt: null,
  createdAt,
  stepResultOffset: null,
});

const describe = (known: Execution | null, request: InvocationRequest): Execution => {
  if (known !== null && known.acceptedAt !== null) return known;
  const acceptedAt = writeTime(request.acceptedAt);
  const { step } = request;
  return {
    ...(known ?? unheard(request.invocationId, request.orgId, request.kind, acceptedAt)),
    kind: request.kind,
    test: request.test,
    cloudFunctionId: request.cloudFunctionId,
    triggerId: request.triggerId,
    eventId: request.event?.id ?? null,
    eventType: request.event?.type ?? null,
    chatId: request.chatId,
    requestId: step?.requestId ?? null,
    botExecutionId: step?.executionId ?? null,
    chatBotId: step?.chatBotId ?? null,
    chatBotName: step?.chatBotName ?? null,
    chatBotType: step?.chatBotType ?? null,
    stepName: step?.stepName ?? null,
    stepId: step?.stepId ?? null,
    saveValueToAttribute: step?.saveValueToAttribute ?? null,
    failureBranch: step?.failureBranch ?? null,
    acceptedAt,
    createdAt: acceptedAt,
  };
};

/** A live step is answered by its step result; a test of a function has none. */
const endsByStepResult = ({ kind, test }: InvocationRequest): boolean => kind === 'step' && !test;

const isFinal = ({ disposition }: InvocationResult): boolean => disposition === 'done' || disposition === 'suppressed';

const statusOf = ({ disposition, outcome, request }: InvocationResult): ExecutionStatus => {
  if (disposition === 'retrying') return 'retrying';
  if (disposition === 'deferred') return 'queued';
  if (disposition === 'suppressed') return 'suppressed';
  if (outcome === 'succeeded') return 'succeeded';
  return request.kind === 'trigger' && !request.test ? 'dead_lettered' : 'failed';
};

const rank: Readonly<Record<ExecutionStatus, number>> = {
  queued: 0,
  retrying: 0,
  suppressed: 1,
  failed: 2,
  dead_lettered: 2,
  cancelled: 3,
  succeeded: 4,
};

const isBetterTwin = (known: Execution, result: InvocationResult): boolean => {
  if (!known.byResult || result.request.seq !== known.seq - 1 || !isFinal(result)) return false;
  const better = rank[statusOf(result)] - rank[known.status];
  return better > 0 || (better === 0 && writeTime(result.completedAt) > (known.completedAt ?? ''));
};

const elapsedMs = (since: string, until: string): number => Math.max(0, Date.parse(until) - Date.parse(since));

const placedAfter = (row: Execution, { request, attempts }: InvocationResult): Execution => ({
  ...row,
  seq: request.seq + 1,
  nextAttempt: request.attempt + attempts.length,
  byResult: true,
});

const decide = (row: Execution, result: InvocationResult): Execution => {
  const completedAt = isFinal(result) ? writeTime(result.completedAt) : null;
  return {
    ...placedAfter(row, result),
    status: statusOf(result),
    paused: false,
    branchKind: null,
    branchOption: null,
    branchReason: null,
    nearMiss: null,
    returnValue: result.returnValue,
    warning: result.warning,
    failureReason: result.failureReason,
    failureDetail: result.failureDetail,
    deferReason: result.deferReason,
    httpStatus: result.httpStatus,
    durationMs: completedAt === null ? null : elapsedMs(row.createdAt, completedAt),
    nextAttemptAt: completedAt === null ? writeTime(result.dueAt ?? result.completedAt) : null,
    completedAt,
  };
};

/** The row after an invocation result; the same object when it brings no news beside its attempts. */
export const foldInvocationResult = (known: Execution | null, result: InvocationResult): Execution => {
  const { request } = result;
  refuseForeign(known, request.orgId);
  const row = describe(known, request);
  if (endsByStepResult(request)) return row;
  if (known !== null && request.seq < known.seq && !isBetterTwin(known, result)) return row;
  return known?.status === 'cancelled' && statusOf(result) !== 'succeeded' ? placedAfter(row, result) : decide(row, result);
};

const idOrNull = (id: string | null): string | null => (uuid.safeParse(id).success ? id : null);

const startOf = ({ completedAt, durationMs }: StepResult): string => {
  const start = new Date(Date.parse(completedAt) - durationMs);
  return Number.isNaN(start.valueOf()) ? writeTime(completedAt) : start.toISOString();
};

const describeByStep = (known: Execution | null, result: StepResult, orgId: string): Execution => {
  if (known !== null && known.acceptedAt !== null) return known;
  const createdAt = startOf(result);
  return {
    ...(known ?? unheard(result.invocationId, orgId, 'step', createdAt)),
    kind: 'step',
    createdAt,
    cloudFunctionId: idOrNull(result.cloudFunctionId),
    chatId: result.chatId,
    requestId: result.requestId,
    botExecutionId: result.executionId,
    stepId: result.stepId,
  };
};

/** The row after a step result of this organization; the same object when an earlier record is the result already. */
export const foldStepResult = (known: Execution | null, result: StepResult, orgId: string, offset: number): Execution => {
  refuseForeign(known, orgId);
  if (known !== null && known.stepResultOffset !== null && known.stepResultOffset <= offset) return known;
  return {
    ...describeByStep(known, result, orgId),
    status: result.outcome,
    branchKind: result.branch.kind,
    branchOption: result.branch.option,
    branchReason: result.branchReason,
    nearMiss: result.nearMiss,
    returnValue: result.returnValue,
    warning: result.warning,
    failureReason: result.failureReason,
    failureDetail: result.failureDetail,
    deferReason: null,
    httpStatus: result.httpStatus,
    durationMs: result.durationMs,
    nextAttemptAt: null,
    completedAt: writeTime(result.completedAt),
    stepResultOffset: offset,
  };
};
