import { STEP_DEADLINE_MAX_MS, STEP_DEADLINE_SLACK_MS } from './limits.js';
import type { StepRequest } from './step-request.js';

/**
 * When a step must have its result (guarantees.md §2), in ms since the epoch: what the request says, else time for one call and
 * two hops, and never more than a minute after the broker took the request. `acceptedAtMs` is that broker time.
 */
export const stepDeadlineMs = (request: Pick<StepRequest, 'deadline'>, acceptedAtMs: number, functionTimeoutMs: number): number => {
  const wantedMs = request.deadline === null ? acceptedAtMs + functionTimeoutMs + STEP_DEADLINE_SLACK_MS : Date.parse(request.deadline);
  return Math.min(wantedMs, acceptedAtMs + STEP_DEADLINE_MAX_MS);
};
