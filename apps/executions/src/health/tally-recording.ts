import { type DeferReason, type FailureReason, sameId } from '@cf/contract';
import type { Execution } from '../execution.js';
import type { HeardResult } from '../recording/heard-result.js';
import type { AttemptRow, Recording } from '../recording/plan-recording.js';
import type { HealthDelta } from './health-delta.js';
import { bucketMsOf, type CircuitNews, durationClass, emptyTally, type Tally } from './tally.js';

const UNCALLED: ReadonlySet<FailureReason> = new Set([
  'circuit_open',
  'rate_limited',
  'deadline_exceeded',
  'function_disabled',
  'feature_disabled',
  'invalid_request',
]);

type Mutable<T> = { -readonly [P in keyof T]: T[P] };
/** Counted in place: this runs for every result that is recorded. */
interface Draft extends Omit<HealthDelta, 'tally' | 'circuits'> {
  readonly tally: Mutable<Omit<Tally, 'failureReasons' | 'durations' | 'uncalled'>> &
    Record<'failureReasons' | 'durations' | 'uncalled', Record<string, number>>;
  readonly circuits: CircuitNews[];
}

const count = (counts: Record<string, number>, name: string | number): void => {
  counts[name] = (counts[name] ?? 0) + 1;
};

class Drafts {
  private readonly drafts = new Map<string, Draft>();

  /** Null for what is not counted: tests, and steps whose function was never told. */
  of(row: Execution | undefined, atMs: number): Draft | null {
    if (row === undefined || row.test || row.cloudFunctionId === null) return null;
    const bucketMs = bucketMsOf(atMs);
    const key = `${row.orgId}${row.cloudFunctionId}${bucketMs}`;
    let draft = this.drafts.get(key);
    if (draft === undefined) {
      const tally = { ...emptyTally, failureReasons: {}, durations: {}, uncalled: {} };
      draft = { orgId: row.orgId, cloudFunctionId: sameId(row.cloudFunctionId), bucketMs, tally, circuits: [] };
      this.drafts.set(key, draft);
    }
    return draft;
  }

  all(): HealthDelta[] {
    return [...this.drafts.values()];
  }
}

const countAttempt = ({ tally }: Draft, { durationMs, failureReason }: AttemptRow): void => {
  tally.calls++;
  count(tally.durations, durationClass(durationMs));
  if (failureReason === null) return;
  tally.failedCalls++;
  count(tally.failureReasons, failureReason);
};

/** Why a row says now that it was not called, and did not say so before. */
const uncalledReason = (before: Execution | undefined, after: Execution): FailureReason | DeferReason | null => {
  if (after.deferReason !== null && after.seq !== before?.seq) return after.deferReason;
  const hasEnded = after.completedAt !== null && (before?.completedAt ?? null) === null;
  return hasEnded && after.failureReason !== null && UNCALLED.has(after.failureReason) ? after.failureReason : null;
};

/**
 * Counts each attempt once, when it is recorded first, and each turn of an execution once, when its row takes it; so a result that is
 * heard again adds nothing.
 */
export const tallyRecording = (
  heard: readonly HeardResult[],
  known: ReadonlyMap<string, Execution>,
  { added, changed }: Pick<Recording, 'added' | 'changed'>,
  newAttempts: readonly AttemptRow[],
  nowMs: number,
): HealthDelta[] => {
  const drafts = new Drafts();
  const rows = new Map(known);
  for (const after of [...added, ...changed]) {
    const before = known.get(after.invocationId);
    rows.set(after.invocationId, after);
    const isAnswered = after.stepResultOffset !== null && (before?.stepResultOffset ?? null) === null;
    const isDead = after.status === 'dead_lettered' && before?.status !== 'dead_lettered';
    const uncalled = uncalledReason(before, after);
    if (!isAnswered && !isDead && uncalled === null) continue;
    const draft = drafts.of(after, after.completedAt === null ? nowMs : Date.parse(after.completedAt));
    if (draft === null) continue;
    if (uncalled !== null) count(draft.tally.uncalled, uncalled);
    if (isDead) draft.tally.deadLettered++;
    if (!isAnswered) continue;
    draft.tally.steps++;
    if (after.branchKind === 'default') draft.tally.defaultSteps++;
  }
  for (const attempt of newAttempts) {
    const draft = drafts.of(rows.get(attempt.invocationId), Date.parse(attempt.startedAt));
    if (draft !== null) countAttempt(draft, attempt);
  }
  for (const one of heard) {
    if (one.source === 'step' || one.result.circuit === null) continue;
    const { request, circuit, completedAt } = one.result;
    drafts.of(rows.get(sameId(request.invocationId)), nowMs)?.circuits.push({ ...circuit, lane: request.kind, at: completedAt });
  }
  return drafts.all();
};
