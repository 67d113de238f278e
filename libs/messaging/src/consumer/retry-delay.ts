/** In-place tries: the first soon, since most causes are short, then seldom enough to be no load. */
const RETRY_DELAY_MS = { first: 100, max: 5_000 } as const;

/** Tries of a handler whose error is not retryable; a lasting one must not hold its order key for long. */
export const TRIES_MAX = 3;

/** Back-off before the next try after so many failures (from 1); between half and all of it, so that many do not return together. */
export const retryDelayMs = (failures: number, random: number): number =>
  Math.min(RETRY_DELAY_MS.first * 2 ** (failures - 1), RETRY_DELAY_MS.max) * (0.5 + random / 2);

export const isRetryable = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'retryable' in error && error.retryable === true;
