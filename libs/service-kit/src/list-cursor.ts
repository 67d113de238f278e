import { createHash } from 'node:crypto';
import { z } from 'zod';
import { decodeCursor, encodeCursor, invalidCursor } from './query.js';

export interface ListCursor<T> {
  encode(position: T): string;
  /** The position after which the page begins; null without a cursor. A cursor of another list or other filters is a 400. */
  decode(cursor: string | undefined): T | null;
}

const inOrder = (value: unknown): unknown => (Array.isArray(value) ? value.map(String).toSorted() : value);

/** Cursors of one list under one set of filters (the organization among them): any other would skip or repeat rows in silence. */
export const listCursor = <T>(list: string, filters: object, position: z.ZodType<T>): ListCursor<T> => {
  const given = Object.entries(filters)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, inOrder(value)] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  const of = createHash('sha256')
    .update(JSON.stringify([list, given]))
    .digest('base64url')
    .slice(0, 16);
  const schema = z.object({ of: z.string(), at: position });
  return {
    encode: (at) => encodeCursor({ of, at }),
    decode: (cursor) => {
      if (cursor === undefined) return null;
      const read = decodeCursor(schema, cursor);
      if (read.of !== of) throw invalidCursor('was made by another list or with other filters');
      return read.at;
    },
  };
};
