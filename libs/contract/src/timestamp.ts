import { z } from 'zod';

/** RFC 3339 has letters of either case, and leap seconds; `Date` has neither, so such a second ends the one before it. */
const asDateReads = (time: string): string => time.toUpperCase().replace(/:60(\.\d+)?(?=[Z+-])/, ':59.999');

/** Any RFC 3339 time is read (an offset and any number of fraction digits included), in the form that `Date` reads. */
export const rfc3339 = z
  .string()
  .meta({ format: 'date-time' })
  .transform(asDateReads)
  .pipe(z.iso.datetime({ offset: true }));

/** A time in an answer. */
export const writtenTime = z.iso.datetime({ precision: 3 });

/** Busy services write the same millisecond many times over. */
let lastMs = Number.NaN;
let lastText = '';

/** ISO 8601 UTC with milliseconds and `Z` is written. */
export const writeTime = (time: string | number | Date): string => {
  if (typeof time !== 'number') return new Date(time).toISOString();
  if (time !== lastMs) [lastMs, lastText] = [time, new Date(time).toISOString()];
  return lastText;
};
