import {
  FUNCTION_TIMEOUT_MS,
  stepDeadlineMs,
  stepExecutionBody,
  stepInvocationId,
  writeTime,
  type CloudFunction,
  type FailureReason,
  type InvocationRequest,
  type Organization,
  type StepRequest,
} from '@cf/contract';

/** What the registry says about a step, read up to `configOffset`. */
export interface StepConfiguration {
  readonly organization: Organization | undefined;
  readonly cloudFunction: CloudFunction | undefined;
  readonly configOffset: number;
}

export type InvocationPlan =
  | { readonly kind: 'invoke'; readonly invocation: InvocationRequest; readonly deadlineMs: number }
  | { readonly kind: 'refuse'; readonly reason: FailureReason; readonly detail: string };

/** Whether a change that is on its way could still make a refusal wrong: nobody is told "unknown" before that was asked. */
export const isUncertain = ({ organization, cloudFunction }: StepConfiguration): boolean =>
  organization === undefined || (organization.cloudFunctionsEnabled && cloudFunction === undefined);

const refuse = (reason: FailureReason, detail: string): InvocationPlan => ({ kind: 'refuse', reason, detail });

/** Decides whether a step is called at all, and with what. `acceptedAtMs` is the broker time of the request. */
export const planInvocation = (
  request: StepRequest,
  configuration: StepConfiguration,
  acceptedAtMs: number,
  nowMs: number,
): InvocationPlan => {
  const { organization, cloudFunction, configOffset } = configuration;
  const deadlineMs = stepDeadlineMs(request, acceptedAtMs, cloudFunction?.timeoutMs ?? FUNCTION_TIMEOUT_MS.default);
  if (nowMs >= deadlineMs) return refuse('deadline_exceeded', 'The request arrived past its deadline; no call was made.');
  if (organization === undefined) return refuse('feature_disabled', 'The organization is unknown.');
  if (!organization.cloudFunctionsEnabled) return refuse('feature_disabled', 'Cloud Functions are off for this organization.');
  if (cloudFunction === undefined) return refuse('function_unknown', 'The organization has no such cloud function.');
  if (!cloudFunction.enabled) return refuse('function_disabled', 'The cloud function is disabled.');
  return {
    kind: 'invoke',
    deadlineMs,
    invocation: {
      invocationId: stepInvocationId(request.orgId, request.requestId),
      seq: 0,
      attempt: 1,
      origin: 'automatic',
      kind: 'step',
      test: false,
      orgId: request.orgId,
      cloudFunctionId: request.cloudFunctionId,
      triggerId: null,
      event: null,
      step: {
        requestId: request.requestId,
        executionId: request.executionId,
        chatBotId: request.chatBotId,
        chatBotName: request.chatBotName,
        chatBotType: request.chatBotType,
        stepName: request.stepName,
        stepId: request.stepId,
        saveValueToAttribute: request.saveValueToAttribute,
        failureBranch: request.failureBranch,
      },
      chatId: request.chatId,
      body: stepExecutionBody(request),
      acceptedAt: writeTime(acceptedAtMs),
      deadline: writeTime(deadlineMs),
      configOffset,
      retryUntil: null,
    },
  };
};
