import { executionFilters, type SqlCondition, whereOf } from '../query/execution-filters.js';
import type { Replay } from './replay.js';

/**
 * The executions that a replay by filter is for: triggers that match and were there when it was ordered. What the replay itself sends
 * again may match or not match afterwards; the cursor passes each once.
 */
export const selectionOf = ({
  orgId,
  filter,
  onlyIfNotSucceeded,
  createdAt,
}: Pick<Replay, 'orgId' | 'filter' | 'onlyIfNotSucceeded' | 'createdAt'>): SqlCondition => {
  const { sql, params } = whereOf(orgId, executionFilters.strict().parse(filter));
  const open = onlyIfNotSucceeded ? ` AND status <> 'succeeded'` : '';
  return { sql: `${sql} AND created_at <= $${params.push(createdAt)} AND kind = 'trigger' AND NOT test${open}`, params };
};

/** The same for invocations that were named. */
export const namedOf = (orgId: string, invocationIds: readonly string[], onlyIfNotSucceeded: boolean): SqlCondition => {
  const open = onlyIfNotSucceeded ? ` AND status <> 'succeeded'` : '';
  return {
    sql: `org_id = $1 AND invocation_id = ANY($2::uuid[]) AND kind = 'trigger' AND NOT test${open}`,
    params: [orgId, invocationIds],
  };
};
