import type { CloudFunction } from '@cf/contract';

/** Workers hear of a reset within a second or so, and until then say again what they said before. */
const HEARD_WITHIN_MS = 5_000;

/** What workers said of the circuits of a function up to here was made void by a reset by hand; null without one. */
export const voidUntil = (cloudFunction: CloudFunction | undefined): Date | null => {
  const resetAt = cloudFunction?.circuitResetAt ?? null;
  return resetAt === null ? null : new Date(Date.parse(resetAt) + HEARD_WITHIN_MS);
};
