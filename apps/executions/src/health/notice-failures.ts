/** At these shares of failed calls somebody is told, each once until the share is below it again, or its window is over. */
export const FAILURE_LEVELS = [50, 70, 90, 100] as const;
/** Below it a share says little: one of two is no alarm. */
export const CALLS_MIN = 20;
/** Two buckets: the five minutes that run and those before. */
export const WINDOW_MINUTES = 10;

/** The highest level that is reached; 0 below all of them, null when there were too few calls to tell. */
export const failureLevel = ({ calls, failedCalls }: { readonly calls: number; readonly failedCalls: number }): number | null => {
  if (calls < CALLS_MIN) return null;
  return FAILURE_LEVELS.findLast((level) => failedCalls * 100 >= level * calls) ?? 0;
};

/** The level that a function was last seen at, and the beginning of the bucket that ran then. */
export interface ReachedLevel {
  readonly level: number;
  readonly reachedAt: Date;
}

/** The level that still holds in a window: one that was reached before it began is over, or a quiet function would keep it for ever. */
export const heldLevel = (reached: ReachedLevel | undefined, windowFromMs: number): number =>
  reached === undefined || reached.reachedAt.getTime() < windowFromMs ? 0 : reached.level;
