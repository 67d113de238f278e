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
  type InvocationRequest,
  type InvocationResult,
  sameId,
  type StepResult,
  uuid,
  writeTime,
} from '@cf/contract';
import type { Execution, Verdict } from '../execution.js';

/** An id of one organization was used by another: recording it would cross the tenants (invariant 11). */
export class ForeignInvocationError extends Error {
  readonly code = 'foreign_invocation';
  readonly retryable = false;
}

const refuseForeign = (known: Execution | null, orgId: string): void => {
  if (known !== null && known.orgId !== sameId(orgId)) throw new ForeignInvocationError('the invocation belongs to another organization');
};

const noVerdict: Verdict = {
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
};

const unheard = (invocationId: string, orgId: string): Omit<Execution, 'kind' | 'createdAt'> => ({
  ...noVerdict,
  invocationId: sameId(invocationId),
  orgId: sameId(orgId),
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
  acceptedAt: null,
  stepResultOffset: null,
});

const describe = (known: Execution | null, request: InvocationRequest): Execution => {
  if (known !== null && known.acceptedAt !== null) return known;
  const acceptedAt = writeTime(request.acceptedAt);
  return {
    ...(known ?? unheard(request.invocationId, request.orgId)),
    kind: request.kind,
    test: request.test,
    cloudFunctionId: request.cloudFunctionId,
    triggerId: request.triggerId,
    eventId: request.event?.id ?? null,
    eventType: request.event?.type ?? null,
    chatId: request.chatId,
    requestId: request.step?.requestId ?? null,
    botExecutionId: request.step?.executionId ?? null,
    chatBotId: request.step?.chatBotId ?? null,
    chatBotName: request.step?.chatBotName ?? null,
    chatBotType: request.step?.chatBotType ?? null,
    stepName: request.step?.stepName ?? null,
    stepId: request.step?.stepId ?? null,
    saveValueToAttribute: request.step?.saveValueToAttribute ?? null,
    failureBranch: request.step?.failureBranch ?? null,
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

const placeAfter = ({ request, attempts }: InvocationResult): Pick<Execution, 'seq' | 'nextAttempt' | 'byResult'> => ({
  seq: request.seq + 1,
  nextAttempt: request.attempt + attempts.length,
  byResult: true,
});

const decide = (row: Execution, result: InvocationResult): Execution => {
  const completedAt = isFinal(result) ? writeTime(result.completedAt) : null;
  return {
    ...row,
    ...noVerdict,
    status: statusOf(result),
    ...placeAfter(result),
    paused: false,
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
  return known?.status === 'cancelled' && statusOf(result) !== 'succeeded' ? { ...row, ...placeAfter(result) } : decide(row, result);
};

const idOrNull = (id: string | null): string | null => (uuid.safeParse(id).success ? id : null);

const startOf = ({ completedAt, durationMs }: StepResult): string => {
  const start = new Date(Date.parse(completedAt) - durationMs);
  return Number.isNaN(start.valueOf()) ? writeTime(completedAt) : start.toISOString();
};

/** The row after a step result of this organization; the same object when an earlier record is the result already. */
export const foldStepResult = (known: Execution | null, result: StepResult, orgId: string, offset: number): Execution => {
  refuseForeign(known, orgId);
  if (known !== null && known.stepResultOffset !== null && known.stepResultOffset <= offset) return known;
  const described: Execution =
    known !== null && known.acceptedAt !== null
      ? known
      : {
          ...(known ?? unheard(result.invocationId, orgId)),
          kind: 'step',
          createdAt: startOf(result),
          cloudFunctionId: idOrNull(result.cloudFunctionId),
          chatId: result.chatId,
          requestId: result.requestId,
          botExecutionId: result.executionId,
          stepId: result.stepId,
        };
  return {
    ...described,
    ...noVerdict,
    status: result.outcome,
    branchKind: result.branch.kind,
    branchOption: result.branch.option,
    branchReason: result.branchReason,
    nearMiss: result.nearMiss,
    returnValue: result.returnValue,
    warning: result.warning,
    failureReason: result.failureReason,
    failureDetail: result.failureDetail,
    httpStatus: result.httpStatus,
    durationMs: result.durationMs,
    completedAt: writeTime(result.completedAt),
    stepResultOffset: offset,
  };
};
