/** Random histories of invocations, and what the record of each must be: told by the sets of its results alone, without their order. */
import type { InvocationResult, StepResult } from '@cf/contract';
import {
  attemptOf,
  deferred,
  failed,
  inMs,
  retrying,
  stepRequest,
  stepResultOf,
  succeeded,
  suppressed,
  triggerRequest,
} from './messages.js';

/** mulberry32: small, and the same numbers for the same seed everywhere. */
export const randomOf = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};

export const shuffled = <T>(items: readonly T[], random: () => number): T[] => {
  const copy = [...items];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [copy[i], copy[j]] = [copy[j]!, copy[i]!];
  }
  return copy;
};

export const doubled = <T>(items: readonly T[], random: () => number): T[] =>
  items.flatMap((item) => (random() < 0.4 ? [item, item] : [item]));

export interface Expected {
  readonly status: string;
  readonly attempts: number;
  readonly due: { seq: number; attempt: number; at: string } | null;
  readonly httpStatus: number | null;
  readonly completedAt: string | null;
}

export const later = inMs(6 * 3_600_000);
const startMs = Date.now();

/** Sendings 0, 1, 2 … of one trigger invocation; after a crash a sending may have been answered twice. */
export const triggerHistory = (orgId: string, triggerId: string, random: () => number): InvocationResult[] => {
  const first = triggerRequest({ orgId, triggerId });
  const results: InvocationResult[] = [];
  const sendings = 1 + Math.floor(random() * 4);
  let attempt = 1;
  for (let seq = 0; seq < sendings; seq++) {
    const request = { ...first, seq, attempt };
    const completedAt = (twin: number): string => new Date(startMs + seq * 1_000 + twin).toISOString();
    const final = () => ({
      ...[succeeded, failed, suppressed][Math.floor(random() * 3)]!(request),
      completedAt: completedAt(1 + Math.floor(random() * 500)),
    });
    const waiting = {
      ...(random() < 0.3 ? deferred(request, later, { deferReason: 'quota' }) : retrying(request, later)),
      completedAt: completedAt(0),
    };
    const last = seq === sendings - 1;
    results.push(last && random() < 0.7 ? final() : waiting);
    if (random() < 0.2) results.push(final());
    attempt += waiting.attempts.length;
  }
  return results;
};

const rankOf = (result: InvocationResult): number => {
  if (result.disposition === 'suppressed') return 1;
  if (result.disposition !== 'done') return 0;
  return result.outcome === 'succeeded' ? 3 : 2;
};

export const modelOf = (results: readonly InvocationResult[]): Expected => {
  const decides = [...results].sort(
    (a, b) => b.request.seq - a.request.seq || rankOf(b) - rankOf(a) || (a.completedAt < b.completedAt ? 1 : -1),
  )[0]!;
  const status = {
    done: decides.outcome === 'succeeded' ? 'succeeded' : 'dead_lettered',
    suppressed: 'suppressed',
    retrying: 'retrying',
    deferred: 'queued',
  }[decides.disposition];
  const final = rankOf(decides) > 0;
  return {
    status,
    attempts: new Set(results.flatMap(({ attempts }) => attempts.map(({ attemptId }) => attemptId))).size,
    due: final
      ? null
      : { seq: decides.request.seq + 1, attempt: decides.request.attempt + decides.attempts.length, at: later.toISOString() },
    httpStatus: decides.httpStatus,
    completedAt: final ? decides.completedAt : null,
  };
};

/** What waited was cancelled, and then the answers to a sending come that had gone out unmarked; twice after a crash. */
export const answersToUnmarked = (history: readonly InvocationResult[], random: () => number): InvocationResult[] => {
  const { request, attempts } = history.at(-1)!;
  const unmarked = { ...request, seq: request.seq + 1, attempt: request.attempt + attempts.length };
  const answer = () =>
    [succeeded, failed, suppressed, (sent: typeof unmarked) => retrying(sent, later)][Math.floor(random() * 4)]!(unmarked);
  return random() < 0.4 ? [answer(), answer()] : [answer()];
};

/** Nothing waits again, and only a success says otherwise. */
export const modelOfCancelled = (
  history: readonly InvocationResult[],
  answers: readonly InvocationResult[],
  cancelledAt: string,
): Expected => {
  const all = modelOf([...history, ...answers]);
  if (all.status === 'succeeded') return all;
  return { ...modelOf(history), status: 'cancelled', attempts: all.attempts, due: null, completedAt: cancelledAt };
};

export const stepHistory = (orgId: string, random: () => number): { calls: InvocationResult[]; answers: StepResult[] } => {
  const request = stepRequest({ orgId });
  const answers = [stepResultOf(request, random() < 0.5 ? {} : { outcome: 'failed', httpStatus: 500, failureReason: 'http_status' })];
  if (random() < 0.3) answers.push(stepResultOf(request, { httpStatus: 201 }));
  const calls = random() < 0.2 ? [] : [succeeded(request, { attempts: [attemptOf(request), attemptOf(request)] })];
  return { calls, answers };
};

/** A step ends with its first step result; each of its two exchanges is an attempt. */
export const modelOfStep = ({
  calls,
  answers: [first],
}: {
  calls: readonly InvocationResult[];
  answers: readonly StepResult[];
}): Expected => ({
  status: first!.outcome,
  attempts: calls.length * 2,
  due: null,
  httpStatus: first!.httpStatus,
  completedAt: first!.completedAt,
});
