import { z } from 'zod';

/** As `writeTime` writes it, the 29th of February apart: nothing is left to do for such a time. */
const DAY = '(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8])';
const WRITTEN = new RegExp(`^\\d{4}-(?:${DAY})T(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d\\.\\d{3}Z$`);

/** RFC 3339 has letters of either case, and leap seconds; `Date` has neither, so such a second ends the one before it. */
const asDateReads = (time: string): string => (WRITTEN.test(time) ? time : time.toUpperCase().replace(/:60(\.\d+)?(?=[Z+-])/, ':59.999'));

/** Any RFC 3339 time is read (an offset and any number of fraction digits included), in the form that `Date` reads. */
export const rfc3339 = z
  .string()
  .meta({ format: 'date-time' })
  .transform(asDateReads)
  .pipe(z.iso.datetime({ offset: true }));

/** A time in an answer. */
export const writtenTime = z.iso.datetime({ precision: 3 });

/** Busy services write the same milliseconds many times over: when calls began, and when they ended. */
const KEPT_MS = 256;
const keptMs = new Float64Array(KEPT_MS).fill(Number.NaN);
const keptTexts: string[] = new Array<string>(KEPT_MS).fill('');

/** ISO 8601 UTC with milliseconds and `Z` is written. */
export const writeTime = (time: string | number | Date): string => {
  if (typeof time === 'string' && WRITTEN.test(time)) return time;
  if (typeof time !== 'number') return new Date(time).toISOString();
  const place = time & (KEPT_MS - 1);
  if (keptMs[place] !== time) {
    keptTexts[place] = new Date(time).toISOString();
    keptMs[place] = time;
  }
  return keptTexts[place]!;
};
