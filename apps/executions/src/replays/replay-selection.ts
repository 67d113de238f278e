import {
  conditionsOf,
  executionFilters,
  type ExecutionFilters,
  type SqlCondition,
  timeFilters,
  whereOf,
} from '../query/execution-filters.js';
import type { Replay } from './replay.js';

type Selecting = Pick<Replay, 'orgId' | 'filter' | 'onlyIfNotSucceeded' | 'createdAt'>;

const UNSUCCESSFUL = `status <> 'succeeded'`;

export const filtersOf = ({ filter }: Pick<Replay, 'filter'>): ExecutionFilters => executionFilters.strict().parse(filter);

/** What comes after the order is not looked for, so that it does not push out the oldest where a search ends early. */
export const locatingOf = (replay: Pick<Replay, 'filter' | 'createdAt'>): ExecutionFilters => {
  const filters = filtersOf(replay);
  const until = filters['createdAt[lte]'];
  const isEarlier = until !== undefined && Date.parse(until) <= replay.createdAt.getTime();
  return { ...filters, 'createdAt[lte]': isEarlier ? until : replay.createdAt.toISOString() };
};

/**
 * The executions that a replay by filter is for: triggers that match and were there when it was ordered. What the replay itself sends
 * again may match or not match afterwards; the cursor passes each once. `among`: what the ids of the platform lead to (`locate-executions.ts`).
 */
export const selectionOf = (selecting: Selecting, among: readonly string[] | null): SqlCondition => {
  const { orgId, onlyIfNotSucceeded, createdAt } = selecting;
  const { sql, params } = whereOf(orgId, filtersOf(selecting));
  const conditions = [sql, `created_at <= $${params.push(createdAt)}`, `kind = 'trigger' AND NOT test`];
  if (onlyIfNotSucceeded) conditions.push(UNSUCCESSFUL);
  if (among !== null) conditions.push(`invocation_id = ANY($${params.push(among)}::uuid[])`);
  return { sql: conditions.join(' AND '), params };
};

/** The same for invocations that were named. */
export const namedOf = (orgId: string, invocationIds: readonly string[], onlyIfNotSucceeded: boolean): SqlCondition => {
  const open = onlyIfNotSucceeded ? ` AND ${UNSUCCESSFUL}` : '';
  return {
    sql: `org_id = $1 AND invocation_id = ANY($2::uuid[]) AND kind = 'trigger' AND NOT test${open}`,
    params: [orgId, invocationIds],
  };
};

/** What an index walks along. */
const anchorOf = (
  { triggerId, cloudFunctionId }: ExecutionFilters,
  onlyIfNotSucceeded: boolean,
  next: (value: unknown) => string,
): string => {
  if (triggerId?.length === 1) return `trigger_id = ${next(triggerId[0])}`;
  if (cloudFunctionId?.length === 1) return `cloud_function_id = ${next(cloudFunctionId[0])}`;
  return onlyIfNotSucceeded ? UNSUCCESSFUL : 'true';
};

/**
 * The next of them after the cursor, the oldest first, at most `limit`. No more than `budget` rows are looked at: the last of those is
 * answered too, whether it is wanted or not, so that the next look goes on from there.
 */
export const lookOf = (
  replay: Selecting & Pick<Replay, 'cursorCreatedAt' | 'cursorInvocationId'>,
  among: readonly string[] | null,
  columns: string,
  limit: number,
  budget: number,
): SqlCondition => {
  const { sql: wanted, params } = selectionOf(replay, among);
  const next = (value: unknown): string => `$${params.push(value)}`;
  const filters = filtersOf(replay);
  const times = conditionsOf(Object.fromEntries(timeFilters.map((name) => [name, filters[name]])), next);
  const walked = ['org_id = $1', `created_at <= ${next(replay.createdAt)}`, anchorOf(filters, replay.onlyIfNotSucceeded, next), ...times];
  if (among !== null) walked.push(`invocation_id = ANY(${next(among)}::uuid[])`);
  if (replay.cursorCreatedAt !== null)
    walked.push(`(created_at, invocation_id) > (${next(replay.cursorCreatedAt)}, ${next(replay.cursorInvocationId)})`);
  const oldestFirst = 'ORDER BY created_at, invocation_id';
  return {
    sql: `SELECT ${columns}, (${wanted}) AS "isWanted", place = ${budget} AS "isStop" FROM (
        SELECT *, row_number() OVER (${oldestFirst}) AS place FROM executions WHERE ${walked.join(' AND ')} ${oldestFirst} LIMIT ${budget}) AS executions
      WHERE (${wanted}) OR place = ${budget} ${oldestFirst} LIMIT ${limit}`,
    params,
  };
};
