import {
  decideBranch,
  decideFailureBranch,
  stepInvocationId,
  writeTime,
  type FailureReason,
  type InvocationResult,
  type StepRequest,
  type StepResult,
} from '@cf/contract';

/** Who is answered. Only a request that could not be read lacks any of it. */
export type StepIdentity = Pick<StepResult, 'requestId' | 'orgId' | 'executionId' | 'chatId' | 'stepId' | 'cloudFunctionId'>;

export interface StepTimes {
  /** Broker time of the request. */
  readonly acceptedAtMs: number;
  readonly nowMs: number;
}

export interface StepFailure {
  readonly reason: FailureReason;
  readonly detail: string | null;
  readonly httpStatus?: number | null;
  readonly attempts?: number;
}

const identityOf = (step: StepIdentity): StepIdentity => ({
  requestId: step.requestId,
  orgId: step.orgId,
  executionId: step.executionId,
  chatId: step.chatId,
  stepId: step.stepId,
  cloudFunctionId: step.cloudFunctionId,
});

const closing = ({ acceptedAtMs, nowMs }: StepTimes): Pick<StepResult, 'durationMs' | 'completedAt'> => ({
  durationMs: Math.max(0, nowMs - acceptedAtMs),
  completedAt: writeTime(nowMs),
});

/** The answer to a step whose call failed or was never made (product.md §5): the attribute stays as it is. */
export const decideFailedResult = (step: StepIdentity & { failureBranch: boolean }, failure: StepFailure, times: StepTimes): StepResult => {
  const { branch, branchReason, nearMiss } = decideFailureBranch(step.failureBranch);
  return {
    ...identityOf(step),
    invocationId: stepInvocationId(step.orgId ?? '', step.requestId),
    outcome: 'failed',
    branch,
    branchReason,
    nearMiss,
    returnValue: null,
    attribute: null,
    failureReason: failure.reason,
    failureDetail: failure.detail,
    httpStatus: failure.httpStatus ?? null,
    warning: null,
    attempts: failure.attempts ?? 0,
    ...closing(times),
  };
};

/** The answer to a step that the invoker is done with, by the outcome table of product.md §5. */
export const decideResult = (
  request: StepRequest,
  result: InvocationResult,
  branchOptions: readonly string[],
  times: StepTimes,
): StepResult => {
  const attempts = result.attempts.length;
  if (result.outcome !== 'succeeded') {
    const { failureReason, failureDetail: detail, httpStatus } = result;
    return decideFailedResult(request, { reason: failureReason ?? 'internal', detail, httpStatus, attempts }, times);
  }
  const { branch, branchReason, nearMiss, attributeValue } = decideBranch(result, branchOptions);
  const name = request.saveValueToAttribute;
  return {
    ...identityOf(request),
    invocationId: result.request.invocationId,
    outcome: 'succeeded',
    branch,
    branchReason,
    nearMiss,
    returnValue: result.returnValue,
    attribute: name === null || attributeValue === null ? null : { name, value: attributeValue },
    failureReason: null,
    failureDetail: null,
    httpStatus: result.httpStatus,
    warning: result.warning,
    attempts,
    ...closing(times),
  };
};
