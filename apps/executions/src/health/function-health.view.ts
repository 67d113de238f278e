import { circuitState, type CircuitState, type Lane, uuid, writtenTime } from '@cf/contract';
import { z } from 'zod';
import { latestMs } from './bound-times.js';
import type { ShownCircuit } from './function-circuits.repository.js';
import type { HealthBucket } from './function-health.repository.js';
import type { Tally } from './tally.js';
import { addTallies, BUCKET_MS, emptyTally, percentileMs } from './tally.js';

const HOUR_MS = 60 * 60_000;
const windows = { '1h': HOUR_MS, '24h': 24 * HOUR_MS, '7d': 7 * 24 * HOUR_MS } as const;
export const LONGEST_WINDOW_MS = windows['7d'];

const counts = z.record(z.string(), z.int());
const shareAnswer = z.number().nullable();
const windowAnswer = z.object({
  calls: z.int(),
  failedCalls: z.int(),
  successShare: shareAnswer,
  durationMs: z.object({ p50: z.number(), p95: z.number(), p99: z.number() }).nullable(),
  failureReasons: counts,
  uncalled: counts,
  steps: z.int(),
  defaultShare: shareAnswer,
  deadLettered: z.int(),
});
const circuitAnswer = z.object({
  state: circuitState,
  workers: z.array(z.object({ worker: z.string(), state: circuitState, at: writtenTime })),
});
export const functionHealthAnswer = z
  .object({
    cloudFunctionId: uuid,
    at: writtenTime,
    circuits: z.object({ step: circuitAnswer, trigger: circuitAnswer }),
    waiting: z.object({ count: z.int(), isMore: z.boolean(), nextDueAt: writtenTime.nullable() }),
    windows: z.object({ '1h': windowAnswer, '24h': windowAnswer, '7d': windowAnswer }),
  })
  .meta({ id: 'FunctionHealth' });
export type FunctionHealth = z.infer<typeof functionHealthAnswer>;

const share = (part: number, whole: number): number | null => (whole === 0 ? null : Math.round((part / whole) * 10_000) / 10_000);

const durationsView = (durations: Tally['durations']): FunctionHealth['windows']['1h']['durationMs'] => {
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((of) => percentileMs(durations, of));
  if (p50 === undefined || p95 === undefined || p99 === undefined) return null;
  return p50 === null || p95 === null || p99 === null ? null : { p50, p95, p99 };
};

const windowView = (tally: Tally): z.infer<typeof windowAnswer> => ({
  calls: tally.calls,
  failedCalls: tally.failedCalls,
  successShare: share(tally.calls - tally.failedCalls, tally.calls),
  durationMs: durationsView(tally.durations),
  failureReasons: tally.failureReasons,
  uncalled: tally.uncalled,
  steps: tally.steps,
  defaultShare: share(tally.defaultSteps, tally.steps),
  deadLettered: tally.deadLettered,
});

/** The worst of the workers' circuits: one that is open is what a person wants to know. */
const worst = (circuits: readonly ShownCircuit[]): CircuitState => {
  const states = circuits.filter(({ stands }) => stands).map(({ state }) => state);
  return states.includes('open') ? 'open' : states.includes('half_open') ? 'half_open' : 'closed';
};

/** A bucket counts in a window that holds its beginning, so a window is longer by less than a bucket. */
export const windowsView = (buckets: readonly HealthBucket[], nowMs: number): FunctionHealth['windows'] => {
  const within = (lengthMs: number) => {
    const held = buckets.filter(({ bucketAt, span }) => {
      const fromMs = nowMs - lengthMs - (span === '5m' ? BUCKET_MS : HOUR_MS);
      return bucketAt.getTime() > fromMs && bucketAt.getTime() <= latestMs(nowMs);
    });
    return windowView(held.reduce((sum, { tally }) => addTallies(sum, tally), emptyTally));
  };
  return { '1h': within(windows['1h']), '24h': within(windows['24h']), '7d': within(windows['7d']) };
};

const circuitView = (circuits: readonly ShownCircuit[], of: Lane): z.infer<typeof circuitAnswer> => {
  const ofLane = circuits.filter(({ lane }) => lane === of);
  return { state: worst(ofLane), workers: ofLane.map(({ worker, state, at }) => ({ worker, state, at })) };
};

export const circuitsView = (circuits: readonly ShownCircuit[]): FunctionHealth['circuits'] => ({
  step: circuitView(circuits, 'step'),
  trigger: circuitView(circuits, 'trigger'),
});
