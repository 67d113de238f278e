import { type CircuitState, lane as lanes, type Lane } from '@cf/contract';
import type { HealthBucket } from './function-health.repository.js';
import type { CircuitNews, Tally } from './tally.js';
import { addTallies, emptyTally, percentileMs } from './tally.js';

const HOUR_MS = 60 * 60_000;
export const windows = { '1h': HOUR_MS, '24h': 24 * HOUR_MS, '7d': 7 * 24 * HOUR_MS } as const;
export const LONGEST_WINDOW_MS = windows['7d'];

const share = (part: number, whole: number): number | null => (whole === 0 ? null : Math.round((part / whole) * 10_000) / 10_000);

const windowView = (tally: Tally) => ({
  calls: tally.calls,
  failedCalls: tally.failedCalls,
  successShare: share(tally.calls - tally.failedCalls, tally.calls),
  durationMs:
    tally.calls === 0
      ? null
      : { p50: percentileMs(tally.durations, 0.5), p95: percentileMs(tally.durations, 0.95), p99: percentileMs(tally.durations, 0.99) },
  failureReasons: tally.failureReasons,
  uncalled: tally.uncalled,
  steps: tally.steps,
  defaultShare: share(tally.defaultSteps, tally.steps),
  deadLettered: tally.deadLettered,
});

/** The worst of the workers' circuits: one that is open is what a person wants to know. */
const worst = (circuits: readonly CircuitNews[], of: Lane): CircuitState => {
  const states = circuits.filter(({ lane }) => lane === of).map(({ state }) => state);
  return states.includes('open') ? 'open' : states.includes('half_open') ? 'half_open' : 'closed';
};

/** A bucket counts in a window that holds its beginning, so a window is longer by less than a bucket. */
export const windowsView = (buckets: readonly HealthBucket[], nowMs: number) =>
  Object.fromEntries(
    Object.entries(windows).map(([name, lengthMs]) => {
      const within = buckets.filter(
        ({ bucketAt, span }) => bucketAt.getTime() > nowMs - lengthMs - (span === '5m' ? HOUR_MS / 12 : HOUR_MS),
      );
      return [name, windowView(within.reduce((sum, { tally }) => addTallies(sum, tally), emptyTally))];
    }),
  );

export const circuitsView = (circuits: readonly CircuitNews[]) =>
  Object.fromEntries(
    lanes.options.map((lane) => [
      lane,
      {
        state: worst(circuits, lane),
        workers: circuits.filter((one) => one.lane === lane).map(({ worker, state, at }) => ({ worker, state, at })),
      },
    ]),
  );
