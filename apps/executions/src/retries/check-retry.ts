import type { Execution } from '../execution.js';

export type RetryRefusal = 'step_not_retryable' | 'test_not_retryable' | 'already_succeeded' | 'in_progress' | 'trigger_inactive';

export const refusalDetails: Readonly<Record<RetryRefusal, string>> = {
  step_not_retryable: 'A step is answered once; only executions of triggers can be retried.',
  test_not_retryable: 'A test invocation is not retried; start another one.',
  already_succeeded: 'The execution succeeded.',
  in_progress: 'It was sent and its answer is awaited.',
  trigger_inactive: 'Its trigger is disabled or deleted, which cancels work that waits.',
};

/** Whether a person may send this execution again now; null when so. One that waits already is only brought forward. */
export const refuseRetry = (
  execution: Pick<Execution, 'kind' | 'test' | 'status' | 'nextAttemptAt'>,
  triggerActive: boolean,
): RetryRefusal | null => {
  if (execution.kind !== 'trigger') return 'step_not_retryable';
  if (execution.test) return 'test_not_retryable';
  if (execution.status === 'succeeded') return 'already_succeeded';
  if (execution.status === 'queued' && execution.nextAttemptAt === null) return 'in_progress';
  return triggerActive ? null : 'trigger_inactive';
};
