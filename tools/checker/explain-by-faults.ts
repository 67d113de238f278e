/**
 * Which fault explains that an invocation was called again, or two calls of one order key ran side by side (guarantees.md §1): a worker that
 * was killed or lost its session had the earlier call in flight or not yet committed, or a worker that woke up did not know yet what it had
 * lost. A graceful restart explains nothing.
 */
import type { Lane } from './invocation-plan.ts';
import type { Fault, InvokersRun } from './invokers-facts.ts';

/** A call that was under way to the endpoint when its worker died arrives this much later at most. */
const ON_THE_WIRE_MS = 1_000;
/** Until a worker that woke up or found the broker again knows what it lost: a heartbeat a second, on a busy machine. */
const UNAWARE_MS = 5_000;

export interface Made {
  readonly worker: number;
  readonly atMs: number;
}

const isUnaware = ({ kind, worker, fromMs, toMs }: Fault, made: Made): boolean =>
  kind === 'pause' && made.worker === worker && made.atMs >= fromMs && made.atMs <= toMs + UNAWARE_MS;

const explains = (fault: Fault, earlier: Made, later: Made): boolean => {
  if (later.atMs < fault.fromMs) return false;
  switch (fault.kind) {
    case 'kill':
      return earlier.worker === fault.worker && earlier.atMs <= fault.toMs + ON_THE_WIRE_MS;
    case 'pause':
      return earlier.worker === fault.worker && earlier.atMs <= fault.toMs + UNAWARE_MS;
    case 'broker':
      return earlier.atMs <= fault.toMs + UNAWARE_MS;
    case 'restart':
      return false;
  }
};

/** The latest fault that explains why `later` was made although `earlier` was; -1 when none does. */
export const explainedBy = (faults: readonly Fault[], earlier: Made, later: Made): number =>
  faults.findLastIndex((fault) => explains(fault, earlier, later));

/** The pause from which the worker of this call woke up without knowing yet what it had lost; -1 when there is none. */
export const unawareBy = (faults: readonly Fault[], made: Made): number => faults.findLastIndex((fault) => isUnaware(fault, made));

/** Whether a worker died or fell out between two times: what it did before may be done again, or otherwise, by another. */
export const isStruckBetween = (faults: readonly Fault[], oneMs: number, otherMs: number): boolean =>
  faults.some(
    ({ kind, fromMs, toMs }) => kind !== 'restart' && Math.max(oneMs, otherMs) >= fromMs && Math.min(oneMs, otherMs) <= toMs + UNAWARE_MS,
  );

/** Whether the broker was away, or a worker had not read its answers, at that time: what was sent then may be sent again. */
export const isAnswerLost = (faults: readonly Fault[], atMs: number): boolean =>
  faults.some(
    ({ kind, fromMs, toMs }) => (kind === 'broker' || kind === 'pause') && atMs >= fromMs - ON_THE_WIRE_MS && atMs <= toMs + UNAWARE_MS,
  );

/** Since when what a worker did may not be committed when the fault strikes it: from before that moment when the broker has just come back. */
export const uncommittedFromMs = (faults: readonly Fault[], { kind, fromMs }: Fault): number => {
  const outages = faults.filter((each) => each.kind === 'broker' && each.fromMs <= fromMs && fromMs <= each.toMs + UNAWARE_MS);
  return kind === 'broker' ? fromMs : Math.min(fromMs, ...outages.map((outage) => outage.fromMs));
};

/** Completed since the last commit: a batch of 256 that is being committed, and the next one. */
const UNCOMMITTED_MAX = 2 * 256;

/** Calls of a lane that a fault may repeat: in flight and completed since the last commit, of each worker that it hits. */
export const repeatedMax = ({ kind }: Fault, lane: Lane, { callsMax, workers }: InvokersRun): number => {
  const ofOneWorker = callsMax[lane] + UNCOMMITTED_MAX;
  if (kind === 'restart') return 0;
  // What it had in flight is called by another; what it still starts when it wakes up was called by another.
  if (kind === 'pause') return ofOneWorker + callsMax[lane];
  return kind === 'kill' ? ofOneWorker : workers * ofOneWorker;
};
