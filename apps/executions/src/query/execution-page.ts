/**
 * How a page of executions is looked for, so that its cost has a bound whatever is asked.
 *
 * One filter, the anchor, decides the index that is walked, newest first; the others are checked on each row that the walk meets.
 * A walk looks at no more rows than its budget. When that ends before the page is full, the page is shorter, even empty, and its
 * cursor goes on from where the walk stopped: nothing is skipped, and nobody waits for a search through millions of rows.
 *
 * An anchor with several values is several walks. Each may stop elsewhere; what is known for sure ends at the newest stop.
 */
import type { SqlCondition } from './execution-filters.js';
import { conditionsOf, type ExecutionCursor, type ExecutionFilters, type FilterName, timeFilters } from './execution-filters.js';
import { selectedColumns } from '../database/execution-columns.js';

export interface PageSearch {
  readonly orgId: string;
  readonly filters: ExecutionFilters;
  /** Searched in responses; null without. */
  readonly text: string | null;
  /** Invocations that the filters by ids of the platform found (`locate-executions.ts`); null without such a filter. */
  readonly among: readonly string[] | null;
  readonly after: ExecutionCursor | null;
  /** Rows to answer. */
  readonly limit: number;
  /** Rows to look at. */
  readonly budget: number;
}

export interface PageSql {
  readonly page: SqlCondition;
  /** Finds where the walk stopped: the last row of its budget, none when it came to the end. Null when it always comes to its end. */
  readonly stop: SqlCondition | null;
}

interface Anchor {
  readonly condition: string;
  readonly values: readonly string[] | null;
  readonly decides: readonly FilterName[];
}

const anchorOf = ({ filters, among }: PageSearch): Anchor => {
  if (among !== null) return { condition: 'true', values: null, decides: [] };
  if (filters.triggerId !== undefined) return { condition: 'trigger_id = anchor.id', values: filters.triggerId, decides: ['triggerId'] };
  if (filters.cloudFunctionId !== undefined)
    return { condition: 'cloud_function_id = anchor.id', values: filters.cloudFunctionId, decides: ['cloudFunctionId'] };
  const unsuccessful = filters.status === undefined ? filters.failureReason !== undefined : !filters.status.includes('succeeded');
  return { condition: unsuccessful ? `status <> 'succeeded'` : 'true', values: null, decides: [] };
};

/** Beyond these an attempt of an execution cannot have begun, clocks that differ included: its partitions are not looked into. */
const ATTEMPT_MARGIN = `interval '1 day'`;

/** One look per row: an EXISTS would become a join that reads the attempts of everybody. */
const textCondition = (parameter: string): string => `(
  SELECT true FROM attempts WHERE attempts.invocation_id = walked.invocation_id
    AND attempts.started_at >= walked.created_at - ${ATTEMPT_MARGIN} AND attempts.started_at <= coalesce(walked.completed_at, now()) + ${ATTEMPT_MARGIN}
    AND attempts.response_body ILIKE ${parameter} LIMIT 1)`;

const NEWEST_FIRST = 'ORDER BY created_at DESC, invocation_id DESC';

/** Only some of the filters, by name. */
const only = (filters: ExecutionFilters, wanted: (name: FilterName) => boolean): ExecutionFilters =>
  Object.fromEntries(Object.entries(filters).filter(([name]) => wanted(name as FilterName)));

const isTime = (name: FilterName): boolean => (timeFilters as readonly FilterName[]).includes(name);

export const pageSql = (search: PageSearch): PageSql => {
  const { orgId, filters, text, among, after, limit, budget } = search;
  const anchor = anchorOf(search);
  const checked = only(filters, (name) => !isTime(name) && !anchor.decides.includes(name));
  const walks = anchor.values?.length ?? 1;
  const isFiltered = text !== null || Object.values(checked).some((wanted) => wanted !== undefined);
  const share = isFiltered ? Math.ceil(budget / walks) : limit;

  const statement = (build: (next: (value: unknown) => string) => string): SqlCondition => {
    const params: unknown[] = [];
    return { sql: build((value) => `$${params.push(value)}`), params };
  };
  const walk = (next: (value: unknown) => string): string => {
    const conditions = [`org_id = ${next(orgId)}`, anchor.condition, ...conditionsOf(only(filters, isTime), next)];
    if (among !== null) conditions.push(`invocation_id = ANY(${next(among)}::uuid[])`);
    if (after !== null) conditions.push(`(created_at, invocation_id) < (${next(after.createdAt)}, ${next(after.invocationId)})`);
    return `FROM executions WHERE ${conditions.join(' AND ')} ${NEWEST_FIRST}`;
  };
  const eachWalk = (next: (value: unknown) => string, walked: string): string =>
    anchor.values === null
      ? `(${walked}) AS found`
      : `unnest(${next(anchor.values)}::uuid[]) AS anchor(id) CROSS JOIN LATERAL (${walked}) AS found`;

  const page = statement((next) => {
    const rows = `SELECT * ${walk(next)} LIMIT ${share}`;
    const conditions = conditionsOf(checked, next);
    if (text !== null) conditions.push(textCondition(next(`%${text.replace(/[\\%_]/g, '\\$&')}%`)));
    const found = isFiltered ? `SELECT * FROM (${rows}) AS walked WHERE ${conditions.join(' AND ')} ${NEWEST_FIRST} LIMIT ${limit}` : rows;
    return `SELECT ${selectedColumns} FROM ${eachWalk(next, found)} ${NEWEST_FIRST} LIMIT ${limit}`;
  });
  if (!isFiltered) return { page, stop: null };
  const stop = statement((next) => {
    const last = `SELECT created_at, invocation_id ${walk(next)} OFFSET ${share - 1} LIMIT 1`;
    return `SELECT created_at AS "createdAt", invocation_id AS "invocationId" FROM ${eachWalk(next, last)} ${NEWEST_FIRST} LIMIT 1`;
  });
  return { page, stop };
};
