import { type CircuitState, type DeferReason, type FailureReason, type Lane } from '@cf/contract';

type Counts<K extends string> = Readonly<Partial<Record<K, number>>>;

/** What the last word of a worker was on its circuit for the function. */
export interface CircuitNews {
  readonly lane: Lane;
  readonly worker: string;
  readonly state: CircuitState;
  readonly at: string;
}

/** The calls of one function in some time. Tallies add up, in any order. */
export interface Tally {
  /** HTTP exchanges. */
  readonly calls: number;
  readonly failedCalls: number;
  readonly failureReasons: Counts<FailureReason>;
  /** Exchanges by duration: how many lie in each class of `durationClass`. */
  readonly durations: Readonly<Record<string, number>>;
  /** Ended, or put off, without a call. */
  readonly uncalled: Counts<FailureReason | DeferReason>;
  /** Steps that were answered, and those of them that went the default path. */
  readonly steps: number;
  readonly defaultSteps: number;
  readonly deadLettered: number;
}

export const emptyTally: Tally = {
  calls: 0,
  failedCalls: 0,
  failureReasons: {},
  durations: {},
  uncalled: {},
  steps: 0,
  defaultSteps: 0,
  deadLettered: 0,
};

const addCounts = (a: Counts<string>, b: Counts<string>): Counts<string> => {
  const sum = { ...a };
  for (const [name, count] of Object.entries(b)) sum[name] = (sum[name] ?? 0) + (count ?? 0);
  return sum;
};

export const addTallies = (a: Tally, b: Tally): Tally => ({
  calls: a.calls + b.calls,
  failedCalls: a.failedCalls + b.failedCalls,
  failureReasons: addCounts(a.failureReasons, b.failureReasons),
  durations: addCounts(a.durations, b.durations) as Tally['durations'],
  uncalled: addCounts(a.uncalled, b.uncalled),
  steps: a.steps + b.steps,
  defaultSteps: a.defaultSteps + b.defaultSteps,
  deadLettered: a.deadLettered + b.deadLettered,
});

/** Eight classes for each doubling: a percentile is off by at most 4.5 %, and 30 s is class 119. */
const CLASSES_PER_DOUBLING = 8;

export const durationClass = (durationMs: number): number =>
  Math.max(0, Math.ceil(Math.log2(Math.max(durationMs, 1)) * CLASSES_PER_DOUBLING));

/** The middle of the class in which this share of the durations ends; null without any. */
export const percentileMs = (durations: Tally['durations'], share: number): number | null => {
  const classes = Object.entries(durations)
    .map(([name, count]) => [Number(name), count] as const)
    .toSorted(([a], [b]) => a - b);
  const total = classes.reduce((sum, [, count]) => sum + count, 0);
  let below = 0;
  for (const [name, count] of classes) {
    below += count;
    if (below >= total * share) return Math.round(2 ** ((name - 0.5) / CLASSES_PER_DOUBLING) * 10) / 10;
  }
  return null;
};

export const BUCKET_MS = 5 * 60_000;

/** The beginning of the five minutes that a time lies in. */
export const bucketMsOf = (ms: number): number => ms - (ms % BUCKET_MS);
