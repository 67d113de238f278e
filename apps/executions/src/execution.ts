import type { BranchReason, DeferReason, ExecutionStatus, FailureReason, InvocationKind, ResponseWarning, StepResult } from '@cf/contract';

/** The bot and step of a step execution; null where only an unreadable request told of it, and for triggers. */
export interface ExecutionStep {
  readonly requestId: string | null;
  readonly botExecutionId: string | null;
  readonly chatBotId: string | null;
  readonly chatBotName: string | null;
  readonly chatBotType: string | null;
  readonly stepName: string | null;
  readonly stepId: string | null;
  readonly saveValueToAttribute: string | null;
  readonly failureBranch: boolean | null;
}

/** What is known of how it ended, or of the last sending while it has not. */
export interface Verdict {
  readonly branchKind: StepResult['branch']['kind'] | null;
  readonly branchOption: string | null;
  readonly branchReason: BranchReason | null;
  readonly nearMiss: string | null;
  readonly returnValue: string | null;
  readonly warning: ResponseWarning | null;
  readonly failureReason: FailureReason | null;
  readonly failureDetail: string | null;
  readonly deferReason: DeferReason | null;
  readonly httpStatus: number | null;
  /** From acceptance to completion. */
  readonly durationMs: number | null;
  readonly nextAttemptAt: string | null;
  readonly completedAt: string | null;
}

/** One row of the table `executions`: the record of one invocation. Times are ISO 8601 UTC with milliseconds. */
export interface Execution extends ExecutionStep, Verdict {
  readonly invocationId: string;
  readonly orgId: string;
  readonly kind: InvocationKind;
  readonly test: boolean;
  readonly status: ExecutionStatus;
  /** The sequence number of the next sending, or of the one that is out and unanswered. */
  readonly seq: number;
  /** The number that the next HTTP exchange gets. */
  readonly nextAttempt: number;
  /** The state comes from the result of `seq − 1`; false once the sending of `seq` was published, ordered by hand or cancelled. */
  readonly byResult: boolean;
  readonly attemptCount: number;
  /** Waits until the triggers of its function are resumed. */
  readonly paused: boolean;
  /** Sent again in bulk: it goes behind everything else that waits, its retries too. */
  readonly bulk: boolean;
  /** The end of its retries when that is not 24 hours after the event. */
  readonly retryUntil: string | null;
  readonly cloudFunctionId: string | null;
  readonly triggerId: string | null;
  readonly eventId: string | null;
  readonly eventType: string | null;
  readonly chatId: string | null;
  /** Null until an invocation result told it. */
  readonly acceptedAt: string | null;
  readonly createdAt: string;
  /** Offset of the step result that counts: the lowest one, since the first record is the result. */
  readonly stepResultOffset: number | null;
}
