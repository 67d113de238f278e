import type { Execution } from '../execution.js';

/** Why an invocation of a replay is not sent. */
export type ReplaySkip =
  | 'not_found'
  | 'step'
  | 'test'
  | 'succeeded'
  | 'waiting'
  | 'in_progress'
  | 'trigger_inactive'
  | 'function_inactive'
  | 'request_not_kept'
  | 'changed';

export interface ReplayFacts {
  readonly onlyIfNotSucceeded: boolean;
  readonly triggerActive: boolean;
  readonly functionActive: boolean;
  /** The request is there whole, so that it can be sent again. */
  readonly requestKept: boolean;
}

/** Whether a replay may send this invocation now; null when so. What waits or is out already is on its way without it. */
export const skipReplay = (
  { kind, test, status, nextAttemptAt }: Pick<Execution, 'kind' | 'test' | 'status' | 'nextAttemptAt'>,
  { onlyIfNotSucceeded, triggerActive, functionActive, requestKept }: ReplayFacts,
): ReplaySkip | null => {
  if (kind !== 'trigger') return 'step';
  if (test) return 'test';
  if (nextAttemptAt !== null) return 'waiting';
  if (status === 'queued') return 'in_progress';
  if (onlyIfNotSucceeded && status === 'succeeded') return 'succeeded';
  if (!triggerActive) return 'trigger_inactive';
  if (!functionActive) return 'function_inactive';
  return requestKept ? null : 'request_not_kept';
};
