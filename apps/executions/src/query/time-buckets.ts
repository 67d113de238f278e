const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** The widths of a histogram's bars. */
export const intervals = {
  '1m': MINUTE_MS,
  '5m': 5 * MINUTE_MS,
  '15m': 15 * MINUTE_MS,
  '1h': HOUR_MS,
  '6h': 6 * HOUR_MS,
  '1d': DAY_MS,
} as const;
export type Interval = keyof typeof intervals;

/** More bars than a wide screen shows apart. */
export const BUCKETS_MAX = 500;
/** As many bars as a chart shows well; a width that is not given is the smallest that needs no more. */
const BUCKETS_WANTED = 100;

/** How many bars of this width a time range takes. They lie on whole minutes, hours or days of UTC. */
export const bucketCount = (fromMs: number, toMs: number, intervalMs: number): number =>
  Math.ceil(toMs / intervalMs) - Math.floor(fromMs / intervalMs);

/** The smallest width that a chart shows well, else the largest there is. */
export const fittingInterval = (fromMs: number, toMs: number): Interval =>
  (Object.keys(intervals) as Interval[]).find((name) => bucketCount(fromMs, toMs, intervals[name]) <= BUCKETS_WANTED) ?? '1d';
