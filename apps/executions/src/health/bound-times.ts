import type { HealthDelta } from './health-delta.js';
import { BUCKET_MS, bucketMsOf } from './tally.js';

/** The week that is shown, and the hour and day that it begins in. */
export const KEPT_MS = 8 * 24 * 60 * 60_000;
/** The clocks of processes differ by less; what claims to be later comes of a clock that jumped. */
const CLOCKS_DIFFER_MS = BUCKET_MS;

export const latestMs = (nowMs: number): number => nowMs + CLOCKS_DIFFER_MS;

/** What is told has happened: a time to come is now, and one before all that is kept is its beginning; Postgres may know neither. */
export const boundTimes = (delta: HealthDelta, nowMs: number): HealthDelta => ({
  ...delta,
  bucketMs: bucketMsOf(Math.min(Math.max(delta.bucketMs, nowMs - KEPT_MS), nowMs)),
  circuits: delta.circuits.map((one) => (Date.parse(one.at) > latestMs(nowMs) ? { ...one, at: new Date(nowMs).toISOString() } : one)),
});
