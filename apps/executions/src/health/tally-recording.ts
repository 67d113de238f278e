import { type FailureReason, type Lane, sameId } from '@cf/contract';
import type { Execution } from '../execution.js';
import type { HeardResult } from '../recording/heard-result.js';
import type { AttemptRow, Recording } from '../recording/plan-recording.js';
import { addTallies, bucketOf, type CircuitNews, durationClass, emptyTally, type Tally } from './tally.js';

/** What one recording transaction adds to the health of one function in one bucket of time. */
export interface HealthDelta {
  readonly orgId: string;
  readonly cloudFunctionId: string;
  readonly bucketAt: string;
  readonly tally: Tally & { readonly circuits: readonly CircuitNews[] };
}

const UNCALLED: ReadonlySet<FailureReason> = new Set([
  'circuit_open',
  'rate_limited',
  'deadline_exceeded',
  'function_disabled',
  'feature_disabled',
  'invalid_request',
]);

const ofAttempt = ({ durationMs, failureReason }: AttemptRow): Tally => ({
  ...emptyTally,
  calls: 1,
  failedCalls: failureReason === null ? 0 : 1,
  failureReasons: failureReason === null ? {} : { [failureReason]: 1 },
  durations: { [durationClass(durationMs)]: 1 },
});

/** What a row says now that it did not say before: so a result that is heard again adds nothing. */
const ofChange = (before: Execution | undefined, after: Execution): Tally => {
  const isAnswered = after.stepResultOffset !== null && (before?.stepResultOffset ?? null) === null;
  const isDeferred = after.deferReason !== null && after.seq !== before?.seq;
  const isEnded = after.completedAt !== null && (before?.completedAt ?? null) === null;
  const reason = isDeferred
    ? after.deferReason
    : isEnded && after.failureReason !== null && UNCALLED.has(after.failureReason)
      ? after.failureReason
      : null;
  return {
    ...emptyTally,
    uncalled: reason === null ? {} : { [reason]: 1 },
    steps: isAnswered ? 1 : 0,
    defaultSteps: isAnswered && after.branchKind === 'default' ? 1 : 0,
    deadLettered: after.status === 'dead_lettered' && before?.status !== 'dead_lettered' ? 1 : 0,
  };
};

/**
 * Counts each attempt once, when it is recorded first, and each turn of an execution once, when its row takes it. Tests are left out,
 * and so are steps whose function was never told.
 */
export const tallyRecording = (
  heard: readonly HeardResult[],
  known: ReadonlyMap<string, Execution>,
  { added, changed }: Pick<Recording, 'added' | 'changed'>,
  newAttempts: readonly AttemptRow[],
  nowMs: number,
): HealthDelta[] => {
  const deltas = new Map<string, HealthDelta>();
  const add = (row: Execution | undefined, time: string | number, tally: Tally, circuits: readonly CircuitNews[] = []): void => {
    if (row === undefined || row.test || row.cloudFunctionId === null) return;
    const { orgId, cloudFunctionId } = row;
    const bucketAt = bucketOf(time);
    const key = `${orgId}/${cloudFunctionId}/${bucketAt}`;
    const sum = deltas.get(key)?.tally ?? { ...emptyTally, circuits: [] };
    deltas.set(key, { orgId, cloudFunctionId, bucketAt, tally: { ...addTallies(sum, tally), circuits: [...sum.circuits, ...circuits] } });
  };
  const rows = new Map([...known, ...[...added, ...changed].map((row) => [row.invocationId, row] as const)]);
  for (const attempt of newAttempts) add(rows.get(attempt.invocationId), attempt.startedAt, ofAttempt(attempt));
  for (const row of [...added, ...changed]) {
    const tally = ofChange(known.get(row.invocationId), row);
    if (tally.steps + tally.deadLettered > 0 || Object.keys(tally.uncalled).length > 0) add(row, row.completedAt ?? nowMs, tally);
  }
  for (const one of heard) {
    if (one.source === 'step' || one.result.circuit === null) continue;
    const { request, circuit, completedAt } = one.result;
    const lane: Lane = request.kind;
    add(rows.get(sameId(request.invocationId)), nowMs, emptyTally, [{ ...circuit, lane, at: completedAt }]);
  }
  return [...deltas.values()];
};
