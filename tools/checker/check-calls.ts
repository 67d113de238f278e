/**
 * An independent look at a chaos run. It knows what was sent, the endpoint's own log, the faults, and what the product says of each
 * execution; it shares no code with the product. Each rule is a promise.
 */
import { callsOf, planOf } from './endpoint-plan.ts';

/** A line of the endpoint's log: one HTTP request that reached it, written before it was answered. */
export interface Call {
  readonly eventId: string;
  readonly invocationId: string;
  readonly attempt: number;
  readonly status: number;
}

/** An execution as the API lists it. */
export interface ListedExecution {
  readonly invocationId: string;
  readonly event: { readonly id: string } | null;
  readonly status: string;
  readonly attemptCount: number;
  readonly nextAttemptAt: string | null;
  /** Attempts that got no HTTP answer: on a busy machine one may end before it reaches the endpoint. Told where the counts differ. */
  readonly unanswered?: number;
}

export interface Facts {
  /** Ids of events that somebody tried to send, and of those that were acknowledged. */
  readonly sent: readonly string[];
  readonly accepted: readonly string[];
  readonly calls: readonly Call[];
  readonly executions: readonly ListedExecution[];
  readonly faults: readonly { readonly kind: string }[];
}

/** In flight of one function and completed since the last commit: what a fault may repeat (guarantees.md §1). */
export const REPEATED_PER_FAULT_MAX = 50 + 2 * 256;

export interface Verdict {
  readonly violations: readonly string[];
  readonly figures: Readonly<Record<string, number>>;
}

const FINAL = new Set(['succeeded', 'dead_lettered', 'cancelled', 'suppressed']);

const group = <T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> => {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item).toLowerCase();
    const known = groups.get(key);
    if (known === undefined) groups.set(key, [item]);
    else known.push(item);
  }
  return groups;
};

const judge = (eventId: string, executions: readonly ListedExecution[], calls: readonly Call[], faults: number): string[] => {
  const [execution, ...more] = executions;
  if (execution === undefined) return [`${eventId} was accepted and is lost`];
  if (more.length > 0) return [`${eventId} has ${executions.length} executions`];
  const found: string[] = [];
  const { status, attemptCount, nextAttemptAt, unanswered = 0 } = execution;
  const answered = calls.some((call) => call.status === 200);
  if (!FINAL.has(status) && nextAttemptAt === null) found.push(`${eventId} is ${status}, neither final nor waiting`);
  if (status === 'succeeded' && !answered) found.push(`${eventId} is said to have succeeded and was never answered 200`);
  if (answered && status !== 'succeeded') found.push(`${eventId} was answered 200 and is ${status}`);
  if (status === 'dead_lettered' && !planOf(eventId).refused) found.push(`${eventId} was given up and was not refused`);
  if (attemptCount < calls.length || attemptCount > calls.length + unanswered)
    found.push(`${eventId} was called ${calls.length} times, ${attemptCount} attempts are recorded`);
  if (calls.some((call) => call.invocationId !== execution.invocationId)) found.push(`${eventId} was called under another invocation id`);
  const extra = calls.length - callsOf(planOf(eventId));
  if (extra > faults) found.push(`${eventId} was called ${extra} times more than its policy says, in ${faults} faults`);
  const numbers = new Set(calls.map(({ attempt }) => attempt));
  if (calls.length > 0 && Math.max(...numbers) > numbers.size + unanswered) found.push(`${eventId} has gaps in its attempts`);
  return found;
};

export const checkCalls = ({ sent, accepted, calls, executions, faults }: Facts): Verdict => {
  const known = new Set(sent.map((id) => id.toLowerCase()));
  const callsByEvent = group(calls, ({ eventId }) => eventId);
  const executionsByEvent = group(executions, ({ event }) => event?.id ?? '');
  const violations = [...new Set(accepted.map((id) => id.toLowerCase()))].flatMap((id) =>
    judge(id, executionsByEvent.get(id) ?? [], callsByEvent.get(id) ?? [], faults.length),
  );
  for (const id of [...callsByEvent.keys(), ...executionsByEvent.keys()]) if (!known.has(id)) violations.push(`${id} was never sent`);
  const extra = (id: string, of: readonly Call[]): number => Math.max(0, of.length - callsOf(planOf(id)));
  const repeated = [...callsByEvent].reduce((sum, [id, of]) => sum + extra(id, of), 0);
  const allowed = faults.length * REPEATED_PER_FAULT_MAX;
  if (repeated > allowed) violations.push(`${repeated} calls were repeated, ${allowed} are explained by ${faults.length} faults`);
  const ended = (status: string): number => executions.filter((execution) => execution.status === status).length;
  return {
    violations,
    figures: {
      accepted: accepted.length,
      calls: calls.length,
      repeatedCalls: repeated,
      succeeded: ended('succeeded'),
      deadLettered: ended('dead_lettered'),
      waiting: executions.filter(({ nextAttemptAt }) => nextAttemptAt !== null).length,
      faults: faults.length,
    },
  };
};
