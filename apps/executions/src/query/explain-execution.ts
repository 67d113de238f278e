import type { ExecutionStatus, FailureReason } from '@cf/contract';
import type { Execution } from '../execution.js';

export interface Explanation {
  /** Why it stands as it does. */
  readonly why: string;
  /** What can be done about it. */
  readonly next: string;
}

const REPLAY = 'Put the cause right, then send it again: POST …/retries, or many at once with POST …/replays.';

const reasons: Readonly<Record<FailureReason, string>> = {
  http_status: 'The endpoint answered with a status that is not tried again, or kept failing until its time was over.',
  timeout: 'The endpoint did not answer within the function’s timeout, in every attempt.',
  dns: 'The host name of the endpoint did not resolve.',
  tls: 'No trusted TLS connection to the endpoint could be made.',
  connection: 'The connection to the endpoint failed or broke.',
  auth_token: 'The token for the call could not be had from the token URL.',
  response_too_large: 'The answer was larger than what is read.',
  circuit_open: 'The function kept failing, so it was not called.',
  rate_limited: 'The function had no free slot in time.',
  blocked_address: 'The address of the endpoint may not be called.',
  deadline_exceeded: 'Its time was over before it could be called.',
  function_disabled: 'The function was disabled when it was to be called.',
  function_unknown: 'The function or its Registered API was deleted.',
  feature_disabled: 'Cloud Functions was off for the organization.',
  invalid_request: 'The request was not one that can be sent.',
  internal: 'It could not be carried out on our side.',
};

const explained: Readonly<Partial<Record<ExecutionStatus, (execution: Execution) => Explanation>>> = {
  suppressed: ({ failureDetail }) => ({
    why: `${failureDetail ?? 'The loop guard stopped it.'} A function that changes the chat it is called for fires its own trigger, again and again; so it was not called.`,
    next: 'Calls go on once a minute stays below the limit. Narrow the trigger’s filters or raise its loopGuardLimit; what was stopped is sent by hand: POST …/retries or POST …/replays.',
  }),
  dead_lettered: ({ failureReason }) => ({
    why: failureReason === null ? 'It ended without success.' : reasons[failureReason],
    next: REPLAY,
  }),
  cancelled: () => ({
    why: 'It was cancelled while it waited: by hand, or because its trigger was disabled or deleted.',
    next: 'Enable the trigger, then send it again: POST …/retries.',
  }),
};

/** In words, for an execution that ended without a call's success and needs a person; null for all others. */
export const explainExecution = (execution: Execution): Explanation | null => explained[execution.status]?.(execution) ?? null;
