import { executionStatus, failureReason, invocationKind, sameId, uuid } from '@cf/contract';
import { pageQuery, queryFlag, queryTime } from '@cf/service-kit';
import { z } from 'zod';

/** `status=failed&status=cancelled`: any of them. */
const anyOf = <T extends z.ZodType>(item: T, itemsMax: number) =>
  z.preprocess((given) => (given === undefined || Array.isArray(given) ? given : [given]), z.array(item).min(1).max(itemsMax).optional());

/** Ids in one filter, so that a query stays a query. */
const IDS_MAX = 20;
const id = anyOf(uuid.transform(sameId), IDS_MAX);
const time = queryTime.optional();

export const executionsQuery = z.object({
  ...pageQuery,
  status: anyOf(executionStatus, executionStatus.options.length),
  kind: anyOf(invocationKind, invocationKind.options.length),
  failureReason: anyOf(failureReason, failureReason.options.length),
  test: queryFlag.optional(),
  cloudFunctionId: id,
  triggerId: id,
  chatId: id,
  eventId: id,
  requestId: id,
  'createdAt[gte]': time,
  'createdAt[gt]': time,
  'createdAt[lte]': time,
  'createdAt[lt]': time,
});
export type ExecutionsQuery = z.infer<typeof executionsQuery>;
export type ExecutionFilters = Omit<ExecutionsQuery, 'limit' | 'cursor'>;

/** The last row of the page before: `(createdAt, invocationId)` is unique and newest first. */
export const executionCursor = z.object({ createdAt: queryTime, invocationId: uuid });
export type ExecutionCursor = z.infer<typeof executionCursor>;

const conditions: Readonly<Record<keyof ExecutionFilters, (parameter: string) => string>> = {
  status: (parameter) => `status = ANY(${parameter}::text[])`,
  kind: (parameter) => `kind = ANY(${parameter}::text[])`,
  failureReason: (parameter) => `failure_reason = ANY(${parameter}::text[])`,
  test: (parameter) => `test = ${parameter}`,
  cloudFunctionId: (parameter) => `cloud_function_id = ANY(${parameter}::uuid[])`,
  triggerId: (parameter) => `trigger_id = ANY(${parameter}::uuid[])`,
  chatId: (parameter) => `lower(chat_id) = ANY(${parameter}::text[])`,
  eventId: (parameter) => `lower(event_id) = ANY(${parameter}::text[])`,
  requestId: (parameter) => `lower(request_id) = ANY(${parameter}::text[])`,
  'createdAt[gte]': (parameter) => `created_at >= ${parameter}`,
  'createdAt[gt]': (parameter) => `created_at > ${parameter}`,
  'createdAt[lte]': (parameter) => `created_at <= ${parameter}`,
  'createdAt[lt]': (parameter) => `created_at < ${parameter}`,
};

export interface SqlCondition {
  readonly sql: string;
  readonly params: unknown[];
}

/** The filters of one organization as SQL; the organization is named beside row-level security so that its index is used. */
export const whereOf = (orgId: string, filters: ExecutionFilters, after: ExecutionCursor | null): SqlCondition => {
  const params: unknown[] = [orgId];
  const next = (value: unknown): string => `$${params.push(value)}`;
  const given = (Object.keys(conditions) as (keyof ExecutionFilters)[]).filter((field) => filters[field] !== undefined);
  const sql = ['org_id = $1', ...given.map((field) => conditions[field](next(filters[field])))];
  if (after !== null) sql.push(`(created_at, invocation_id) < (${next(after.createdAt)}, ${next(after.invocationId)})`);
  return { sql: sql.join(' AND '), params };
};
