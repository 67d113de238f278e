/**
 * Times that Postgres sets a while ahead of its own clock: leases, and the turns of a pace. Its clock may jump ahead and back; what was set
 * meanwhile lies further ahead than ever is waited for, and counts as passed.
 */

/** What a clock that is kept by NTP never differs by, nor the beginnings of two transactions that are at work at once. */
export const CLOCK_MARGIN = `interval '1 minute'`;

/** The interval that a parameter gives in ms. */
export const msOf = (parameter: string): string => `make_interval(secs => ${parameter}::float8 / 1000)`;

export const hasPassed = (time: string, ahead: string): string => `(${time} <= now() OR ${time} > now() + ${ahead} + ${CLOCK_MARGIN})`;
