import { type Attempt, LOGGED_BODY_BYTES_MAX } from '@cf/contract';
import { cutText } from '../cut-text.js';
import type { Execution } from '../execution.js';
import { explainExecution } from './explain-execution.js';

/** An execution as the API shows it (wire.md §2). */
export const executionView = (row: Execution) => ({
  invocationId: row.invocationId,
  kind: row.kind,
  test: row.test,
  status: row.status,
  orgId: row.orgId,
  cloudFunctionId: row.cloudFunctionId,
  triggerId: row.triggerId,
  event: row.eventId === null ? null : { id: row.eventId, type: row.eventType },
  step:
    row.requestId === null
      ? null
      : {
          requestId: row.requestId,
          executionId: row.botExecutionId,
          chatBotId: row.chatBotId,
          chatBotName: row.chatBotName,
          chatBotType: row.chatBotType,
          stepName: row.stepName,
          stepId: row.stepId,
          saveValueToAttribute: row.saveValueToAttribute,
          failureBranch: row.failureBranch,
        },
  chatId: row.chatId,
  branch: row.branchKind === null ? null : { kind: row.branchKind, option: row.branchOption },
  branchReason: row.branchReason,
  nearMiss: row.nearMiss,
  returnValue: row.returnValue,
  warning: row.warning,
  failureReason: row.failureReason,
  failureDetail: row.failureDetail,
  deferReason: row.deferReason,
  httpStatus: row.httpStatus,
  attemptCount: row.attemptCount,
  durationMs: row.durationMs,
  paused: row.paused,
  nextAttemptAt: row.paused ? null : row.nextAttemptAt,
  createdAt: row.createdAt,
  completedAt: row.completedAt,
});

export interface StoredAttempt
  extends Pick<Attempt, 'attemptId' | 'number' | 'origin' | 'durationMs' | 'httpStatus' | 'failureReason' | 'failureDetail'> {
  readonly startedAt: Date;
  readonly requestHeaders: Record<string, string>;
  readonly responseHeaders: Record<string, string> | null;
  readonly responseBody: string | null;
  readonly responseTruncated: boolean | null;
}

export interface StoredRequest {
  readonly body: string;
  readonly truncated: boolean;
}

export interface ExecutionDetail {
  readonly row: Execution;
  readonly attempts: readonly StoredAttempt[];
  /** There are more, which came later than these. */
  readonly attemptsTruncated: boolean;
  /** Null when it is not kept any more. */
  readonly request: StoredRequest | null;
}

const hidden = { hidden: true } as const;

/** A body within what an execution shows; a request that waits is kept whole but shown no larger than any other. */
const shown = ({ body, truncated }: StoredRequest): StoredRequest => {
  const cut = cutText(body, LOGGED_BODY_BYTES_MAX);
  return { body: cut, truncated: truncated || cut.length < body.length };
};

/** With every attempt. Bodies may hold health data: requests and responses are shown to whoever may reveal them. */
export const executionDetailView = ({ row, attempts, attemptsTruncated, request }: ExecutionDetail, revealed: boolean) => ({
  ...executionView(row),
  explanation: explainExecution(row),
  attempts: attempts.map((attempt) => ({
    attemptId: attempt.attemptId,
    number: attempt.number,
    origin: attempt.origin,
    startedAt: attempt.startedAt.toISOString(),
    durationMs: attempt.durationMs,
    httpStatus: attempt.httpStatus,
    failureReason: attempt.failureReason,
    failureDetail: attempt.failureDetail,
    request: revealed
      ? { headers: attempt.requestHeaders, ...(request === null ? { body: null, truncated: true } : shown(request)) }
      : hidden,
    response: revealed ? responseOf(attempt) : hidden,
  })),
  attemptsTruncated,
});

const responseOf = ({ responseHeaders, responseBody, responseTruncated }: StoredAttempt) =>
  responseHeaders === null ? null : { headers: responseHeaders, body: responseBody, truncated: responseTruncated };
