import { rfc3339, writeTime } from '@cf/contract';
import { z } from 'zod';
import { Problem } from './problem.js';
import { problemErrors } from './zod.pipe.js';

/** Reads query parameters. An unknown one is refused rather than ignored: a filter that does nothing misleads. */
export const parseQuery = <Shape extends z.core.$ZodLooseShape>(
  schema: z.ZodObject<Shape>,
  query: unknown,
): z.infer<z.ZodObject<Shape>> => {
  const read = schema.strict().safeParse(query);
  if (read.success) return read.data as z.infer<z.ZodObject<Shape>>;
  const errors = problemErrors(read.error).map((error) => ({ ...error, pointer: error.pointer.replace(/^\//, '') }));
  throw new Problem(400, 'invalid_query', 'A query parameter is unknown or does not fit.', errors);
};

/** `limit` and `cursor` of every list: 25 by default, at most 100. */
export const pageQuery = {
  limit: z
    .string()
    .regex(/^\d{1,3}$/, 'must be a whole number from 1 to 100')
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= 100, 'must be a whole number from 1 to 100')
    .meta({ jsonSchema: { type: 'integer', minimum: 1, maximum: 100, default: 25 } })
    .default(25),
  cursor: z.string().min(1).max(1_000).optional(),
};

/** The answer of every list. */
export const pageOf = <T extends z.ZodType>(item: T) => z.object({ data: z.array(item), nextCursor: z.string().nullable() });

/** `true` or `false` in a query. */
export const queryFlag = z
  .enum(['true', 'false'])
  .transform((text) => text === 'true')
  .meta({ jsonSchema: { type: 'boolean' } });

/** A time in a query or a cursor. Postgres knows no year 0, and takes offsets of less than 16 hours only. */
export const queryTime = rfc3339
  .transform((time) => writeTime(time))
  .refine((time) => /^(?!0000)\d{4}-/.test(time), 'must lie in the years 1 to 9999');

/** Cursors are opaque to callers: their inside may change at any time. */
export const encodeCursor = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

export const decodeCursor = <T>(schema: z.ZodType<T>, cursor: string): T => {
  try {
    return schema.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')));
  } catch {
    throw invalidCursor('is not a cursor');
  }
};

export const invalidCursor = (detail: string): Problem =>
  new Problem(400, 'invalid_cursor', 'The cursor was not made for this list.', [{ pointer: 'cursor', code: 'invalid_cursor', detail }]);

/** A number of at least zero in a query. */
export const queryNumber = z
  .string()
  .regex(/^\d{1,12}(\.\d{1,6})?$/, 'must be a number of at least 0')
  .transform(Number)
  .meta({ jsonSchema: { type: 'number', minimum: 0 } });

/** Text in a query, compared as it is; Postgres stores no NUL. */
export const queryText = (charactersMax: number) =>
  z
    .string()
    .min(1)
    .max(charactersMax)
    .regex(/^[^\0]*$/, 'must not hold NUL');
