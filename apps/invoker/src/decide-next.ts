import {
  type DeferReason,
  type FailureReason,
  type InvocationRequest,
  type InvocationResult,
  type ResponseWarning,
  TRIGGER_RETRY_DELAY_MS,
  TRIGGER_RETRY_WINDOW_MS,
  writeTime,
} from '@cf/contract';

/** How one sending of a request went. */
export type CallOutcome =
  | {
      readonly kind: 'answered';
      readonly httpStatus: number;
      readonly returnValue: string | null;
      readonly warning: ResponseWarning | null;
    }
  | {
      readonly kind: 'failed';
      readonly reason: FailureReason;
      readonly detail: string | null;
      readonly httpStatus: number | null;
      /** The endpoint asked to be left alone for so long. */
      readonly retryAfterMs: number | null;
    }
  /** Not called: what stands in the way is asked again at this time. */
  | { readonly kind: 'held'; readonly reason: DeferReason; readonly detail: string; readonly untilMs: number }
  /** Not called: the triggers of the function are paused, and wait for as long as they are. */
  | { readonly kind: 'paused'; readonly untilMs: number }
  /** Not called: the function has as much waiting as it may have. */
  | { readonly kind: 'surplus' };

export type Decision = Omit<InvocationResult, 'request' | 'attempts' | 'completedAt' | 'circuit'>;

const RETRIED_REASONS: ReadonlySet<FailureReason> = new Set(['timeout', 'connection', 'dns', 'tls', 'auth_token']);
const RETRIED_STATUSES: ReadonlySet<number> = new Set([408, 425, 429]);

const isRetried = (reason: FailureReason, httpStatus: number | null): boolean =>
  reason === 'http_status' ? httpStatus !== null && (httpStatus >= 500 || RETRIED_STATUSES.has(httpStatus)) : RETRIED_REASONS.has(reason);

/** When a trigger is no longer sent again: 24 hours after its event came, if nobody gave it more. */
const lastRetryMs = ({ acceptedAt, retryUntil }: InvocationRequest): number =>
  retryUntil === null ? Date.parse(acceptedAt) + TRIGGER_RETRY_WINDOW_MS : Date.parse(retryUntil);

/** Full jitter over 1 s × 2ⁿ, n = exchanges before this one; on top of what the endpoint asked for, and never above an hour. */
const retryDelayMs = (attempt: number, retryAfterMs: number | null, random: () => number): number => {
  const { first, max } = TRIGGER_RETRY_DELAY_MS;
  const jitter = random() * Math.min(max, first * 2 ** (attempt - 1));
  return Math.min(max, (retryAfterMs ?? 0) + jitter);
};

const nothing: Decision = {
  disposition: 'done',
  outcome: null,
  failureReason: null,
  failureDetail: null,
  deferReason: null,
  httpStatus: null,
  returnValue: null,
  warning: null,
  dueAt: null,
};

/**
 * What follows from a sending (product.md §5, §6): steps and tests end with it; a trigger is sent again while a failure may
 * pass and its 24 hours are not over.
 */
export const decideNext = (request: InvocationRequest, outcome: CallOutcome, nowMs: number, random: () => number): Decision => {
  if (outcome.kind === 'answered') {
    const { httpStatus, returnValue, warning } = outcome;
    return { ...nothing, outcome: 'succeeded', httpStatus, returnValue, warning };
  }
  if (outcome.kind === 'paused') {
    return { ...nothing, disposition: 'deferred', deferReason: 'quota', dueAt: writeTime(outcome.untilMs) };
  }
  const waits = request.kind === 'trigger' && !request.test;
  const lastMs = lastRetryMs(request);
  if (outcome.kind === 'surplus') {
    // Due since its event came: `executions` sends the oldest first, a few at a time.
    if (waits && nowMs <= lastMs)
      return { ...nothing, disposition: 'deferred', deferReason: 'quota', dueAt: writeTime(request.acceptedAt) };
    const failureDetail = 'the function had too much waiting, for too long';
    return { ...nothing, outcome: 'failed', failureReason: 'rate_limited', failureDetail };
  }
  if (outcome.kind === 'held') {
    if (waits && outcome.untilMs <= lastMs) {
      return { ...nothing, disposition: 'deferred', deferReason: outcome.reason, dueAt: writeTime(outcome.untilMs) };
    }
    const failureReason = outcome.reason === 'quota' ? 'rate_limited' : outcome.reason;
    return { ...nothing, outcome: 'failed', failureReason, failureDetail: outcome.detail };
  }
  const failed: Decision = {
    ...nothing,
    outcome: 'failed',
    failureReason: outcome.reason,
    failureDetail: outcome.detail,
    httpStatus: outcome.httpStatus,
  };
  if (!waits || !isRetried(outcome.reason, outcome.httpStatus)) return failed;
  const dueMs = nowMs + retryDelayMs(request.attempt, outcome.retryAfterMs, random);
  return dueMs > lastMs ? failed : { ...failed, disposition: 'retrying', outcome: null, dueAt: writeTime(dueMs) };
};
