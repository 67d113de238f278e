import { z } from 'zod';

/** Any RFC 3339 time is read (an offset and any number of fraction digits included). */
export const rfc3339 = z.iso.datetime({ offset: true });

/** ISO 8601 UTC with milliseconds and `Z` is written. */
export const writeTime = (time: string | number | Date): string => new Date(time).toISOString();
