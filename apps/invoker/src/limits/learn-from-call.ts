import type { CloudFunction, Lane } from '@cf/contract';
import type { CallOutcome } from '../decide-next.js';
import type { AskedPauses } from './asked-pauses.js';
import type { FunctionConcurrency } from './function-concurrency.js';
import type { TriggerVerdicts } from './trigger-verdicts.js';

export interface LearningLimits {
  readonly lane: Lane;
  readonly concurrency: FunctionConcurrency;
  readonly pauses: AskedPauses;
  readonly verdicts: TriggerVerdicts;
}

export interface FinishedCall {
  /** What the limits of the function are filed under. */
  readonly key: string;
  readonly cloudFunction: CloudFunction;
  readonly outcome: CallOutcome;
  /** Counts against the circuit. */
  readonly failed: boolean;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** What the call had of the function's timeout. */
  readonly budgetMs: number;
}

const TOO_MANY_REQUESTS = 429;
const UNAVAILABLE = 503;

/** A call that had less than half of its function's time says nothing about the function. */
const isOverload = ({ outcome, budgetMs, cloudFunction }: FinishedCall): boolean =>
  outcome.kind === 'failed' &&
  (outcome.httpStatus === TOO_MANY_REQUESTS || (outcome.reason === 'timeout' && budgetMs >= cloudFunction.timeoutMs / 2));

const askedPauseMs = ({ outcome }: FinishedCall): number =>
  outcome.kind === 'failed' && (outcome.httpStatus === TOO_MANY_REQUESTS || outcome.httpStatus === UNAVAILABLE)
    ? (outcome.retryAfterMs ?? 0)
    : 0;

/** What the end of a call teaches the limits of its function. */
export const learnFromCall = ({ lane, concurrency, pauses, verdicts }: LearningLimits, call: FinishedCall): void => {
  const { key, cloudFunction, startedAtMs, endedAtMs, failed } = call;
  concurrency.ended(key, cloudFunction, { startedAtMs, endedAtMs, overloaded: isOverload(call) });
  const pauseMs = askedPauseMs(call);
  if (pauseMs > 0) pauses.ask(key, endedAtMs + pauseMs);
  if (lane === 'trigger') verdicts.tell(key, failed);
};
