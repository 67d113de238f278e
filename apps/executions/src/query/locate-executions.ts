/**
 * Executions by the ids that the platform made. Each leads to few rows, and each has an index; but an index on a random id over all rows is
 * touched at another page by every row that is recorded, and the larger it grows the more of them are read, logged whole and written for
 * each. So:
 *
 * - `chatId`, `eventId`: their indexes begin with the day, then a hash of the id. Only the pages of today are written to. A search asks
 *   each day that has rows, newest first, and ends early when it has enough.
 * - `requestId`: has no index, since the id of a step's invocation is made from it. Tests draw theirs, and have an index of their own.
 */
import { stepInvocationId } from '@cf/contract';
import { type ExecutionCursor, type ExecutionFilters, type SqlCondition, timeFilters, whereOf } from './execution-filters.js';

/** Ids of the platform are few rows each, and are looked up before a page is searched. */
export const pointFilters = ['requestId', 'eventId', 'chatId'] as const satisfies (keyof ExecutionFilters)[];

const EPOCH = `TIMESTAMPTZ '2000-01-01 00:00:00+00'`;
const dayOf = (time: string): string => `date_bin('1 day', ${time}, ${EPOCH})`;
const DAY = dayOf('created_at');
const hashOf = (text: string): string => `hashtextextended(${text}, 0)`;

const FOUND = 'invocation_id AS "invocationId", created_at AS "createdAt"';
const NEWEST_FIRST = 'ORDER BY created_at DESC, invocation_id DESC';

const byRequest = (orgId: string, requestIds: readonly string[], { sql, params }: SqlCondition, limit: number): SqlCondition => {
  const ids = `$${params.push(requestIds.map((id) => stepInvocationId(orgId, id)))}::uuid[]`;
  return {
    sql: `SELECT ${FOUND} FROM executions WHERE invocation_id = ANY(${ids}) AND ${sql}
      UNION ALL SELECT ${FOUND} FROM executions WHERE test AND invocation_id <> ALL(${ids}) AND ${sql}
      ORDER BY 2 DESC, 1 DESC LIMIT ${limit}`,
    params,
  };
};

const byDay = (
  column: 'chat_id' | 'event_id',
  ids: readonly string[],
  { sql, params }: SqlCondition,
  newest: string | undefined,
  oldest: string | undefined,
  limit: number,
): SqlCondition => {
  const next = (value: unknown): string => `$${params.push(value)}`;
  const has = `${column} IS NOT NULL`;
  const isBefore = newest === undefined ? '' : ` AND ${DAY} <= ${dayOf(`${next(newest)}::timestamptz`)}`;
  const isAfter = oldest === undefined ? '' : ` AND day > ${dayOf(`${next(oldest)}::timestamptz`)}`;
  // Days come newest first and so do the rows of each: the outer limit ends the search, which sorting all would not.
  return {
    sql: `WITH RECURSIVE days AS (
        (SELECT ${DAY} AS day FROM executions WHERE ${has}${isBefore} ORDER BY ${DAY} DESC LIMIT 1)
        UNION ALL
        SELECT (SELECT ${DAY} FROM executions WHERE ${has} AND ${DAY} < day ORDER BY ${DAY} DESC LIMIT 1) FROM days
        WHERE day IS NOT NULL${isAfter})
      SELECT ${FOUND} FROM days CROSS JOIN LATERAL (
        SELECT found.* FROM unnest(${next(ids)}::text[]) AS wanted(id) CROSS JOIN LATERAL (
          SELECT invocation_id, created_at FROM executions
          WHERE ${DAY} = day AND ${hashOf(`lower(${column})`)} = ${hashOf('wanted.id')} AND lower(${column}) = wanted.id AND ${has} AND ${sql}
          ${NEWEST_FIRST} LIMIT ${limit}) AS found
        ${NEWEST_FIRST} LIMIT ${limit}) AS ofDay LIMIT ${limit}`,
    params,
  };
};

/** Executions of a chat. */
export const chatSql = (orgId: string, chatId: string, limit: number): SqlCondition =>
  byDay('chat_id', [chatId], whereOf(orgId, { chatId: [chatId] }), undefined, undefined, limit);

/** Finds at most so many, newest first, as the tables' owner; null without a filter by such an id. */
export const locateSql = (orgId: string, filters: ExecutionFilters, after: ExecutionCursor | null, limit: number): SqlCondition | null => {
  const { requestId, eventId, chatId } = filters;
  const named = [...pointFilters, ...timeFilters].map((name) => [name, filters[name]]);
  const where = whereOf(orgId, Object.fromEntries(named) as ExecutionFilters, after);
  if (requestId !== undefined) return byRequest(orgId, requestId, where, limit);
  const bounds = [filters['createdAt[lt]'], filters['createdAt[lte]'], after?.createdAt].filter((time) => time !== undefined);
  const newest = bounds.toSorted((a, b) => Date.parse(a) - Date.parse(b))[0];
  const oldest = filters['createdAt[gte]'] ?? filters['createdAt[gt]'];
  if (eventId !== undefined) return byDay('event_id', eventId, where, newest, oldest, limit);
  if (chatId !== undefined) return byDay('chat_id', chatId, where, newest, oldest, limit);
  return null;
};
