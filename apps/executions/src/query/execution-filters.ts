import { executionStatus, failureReason, invocationKind, sameId, uuid } from '@cf/contract';
import { jsonSchemaOf, pageQuery, queryFlag, queryNumber, queryText, queryTime } from '@cf/service-kit';
import { z } from 'zod';
import { columnOf } from '../database/execution-columns.js';
import type { Execution } from '../execution.js';

/** Values in one filter, so that a query stays a query. */
const VALUES_MAX = 20;

/** `status=failed&status=cancelled`: any of them, each once, since some are searched for one by one. */
export const anyOf = <T extends z.ZodType>(item: T, itemsMax = VALUES_MAX) => {
  const items = z.array(item).min(1).max(itemsMax);
  return z
    .preprocess(
      (given) => (given === undefined || Array.isArray(given) ? given : [given]),
      items.transform((values) => [...new Set(values)]),
    )
    .meta({ jsonSchema: jsonSchemaOf(items) })
    .optional();
};

const id = anyOf(uuid.transform(sameId));
const text = anyOf(queryText(200));
const time = queryTime.optional();
const number = queryNumber.optional();
const status = z
  .string()
  .regex(/^[1-9]\d\d$/, 'must be an HTTP status')
  .transform(Number)
  .meta({ jsonSchema: { type: 'integer', minimum: 100, maximum: 999 } });

const filters = {
  status: anyOf(executionStatus, executionStatus.options.length),
  kind: anyOf(invocationKind, invocationKind.options.length),
  failureReason: anyOf(failureReason, failureReason.options.length),
  test: queryFlag.optional(),
  cloudFunctionId: id,
  triggerId: id,
  chatId: id,
  eventId: id,
  eventType: text,
  requestId: id,
  chatBotId: id,
  stepId: text,
  stepName: text,
  httpStatus: anyOf(status),
  'httpStatus[gte]': status.optional(),
  'httpStatus[gt]': status.optional(),
  'httpStatus[lte]': status.optional(),
  'httpStatus[lt]': status.optional(),
  'durationMs[gte]': number,
  'durationMs[gt]': number,
  'durationMs[lte]': number,
  'durationMs[lt]': number,
  'createdAt[gte]': time,
  'createdAt[gt]': time,
  'createdAt[lte]': time,
  'createdAt[lt]': time,
};

/** What every question about executions may be narrowed by. Durations are those of completed executions. */
export const executionFilters = z.object(filters);
export type ExecutionFilters = z.infer<typeof executionFilters>;
export type FilterName = keyof ExecutionFilters;

export const executionsQuery = z.object({
  ...pageQuery,
  ...filters,
  /** Searched in the responses that are kept, whatever their case; the shortest that tells anything apart. */
  text: queryText(200).min(3).optional(),
});

/** The last row of the page before: `(createdAt, invocationId)` is unique and newest first. */
export const executionCursor = z.object({ createdAt: queryTime, invocationId: uuid });
export type ExecutionCursor = z.infer<typeof executionCursor>;

/** One filter as SQL over a row and as code over the same row: lists ask Postgres, streams ask this. */
interface Filter {
  sql(parameter: string): string;
  holds(row: Execution, wanted: never): boolean;
}

const oneOf = (property: keyof Execution, type: 'text' | 'uuid' | 'integer'): Filter => ({
  sql: (parameter) => `${columnOf(property)} = ANY(${parameter}::${type}[])`,
  holds: (row, wanted: readonly unknown[]) => wanted.includes(row[property]),
});

/** Ids that the platform made are kept as they came. */
const platformId = (property: 'chatId' | 'eventId' | 'requestId' | 'chatBotId'): Filter => ({
  sql: (parameter) => `lower(${columnOf(property)}) = ANY(${parameter}::text[])`,
  holds: (row, wanted: readonly string[]) => wanted.includes(sameId(row[property] ?? '')),
});

const comparisons = {
  gte: { sign: '>=', holds: (value: number | string, bound: number | string) => value >= bound },
  gt: { sign: '>', holds: (value: number | string, bound: number | string) => value > bound },
  lte: { sign: '<=', holds: (value: number | string, bound: number | string) => value <= bound },
  lt: { sign: '<', holds: (value: number | string, bound: number | string) => value < bound },
};

const compared = (property: 'httpStatus' | 'durationMs' | 'createdAt', by: keyof typeof comparisons): Filter => ({
  sql: (parameter) => `${columnOf(property)} ${comparisons[by].sign} ${parameter}`,
  holds: (row, bound: number | string) => row[property] !== null && comparisons[by].holds(row[property], bound),
});

const filterOf: Readonly<Record<FilterName, Filter>> = {
  status: oneOf('status', 'text'),
  kind: oneOf('kind', 'text'),
  failureReason: oneOf('failureReason', 'text'),
  test: { sql: (parameter) => `test = ${parameter}`, holds: (row, wanted: boolean) => row.test === wanted },
  cloudFunctionId: oneOf('cloudFunctionId', 'uuid'),
  triggerId: oneOf('triggerId', 'uuid'),
  chatId: platformId('chatId'),
  eventId: platformId('eventId'),
  eventType: oneOf('eventType', 'text'),
  requestId: platformId('requestId'),
  chatBotId: platformId('chatBotId'),
  stepId: oneOf('stepId', 'text'),
  stepName: oneOf('stepName', 'text'),
  httpStatus: oneOf('httpStatus', 'integer'),
  'httpStatus[gte]': compared('httpStatus', 'gte'),
  'httpStatus[gt]': compared('httpStatus', 'gt'),
  'httpStatus[lte]': compared('httpStatus', 'lte'),
  'httpStatus[lt]': compared('httpStatus', 'lt'),
  'durationMs[gte]': compared('durationMs', 'gte'),
  'durationMs[gt]': compared('durationMs', 'gt'),
  'durationMs[lte]': compared('durationMs', 'lte'),
  'durationMs[lt]': compared('durationMs', 'lt'),
  'createdAt[gte]': compared('createdAt', 'gte'),
  'createdAt[gt]': compared('createdAt', 'gt'),
  'createdAt[lte]': compared('createdAt', 'lte'),
  'createdAt[lt]': compared('createdAt', 'lt'),
};

export const timeFilters = ['createdAt[gte]', 'createdAt[gt]', 'createdAt[lte]', 'createdAt[lt]'] as const satisfies FilterName[];

const given = (wanted: ExecutionFilters): FilterName[] =>
  (Object.keys(filterOf) as FilterName[]).filter((name) => wanted[name] !== undefined);

/** The filters as SQL conditions, their values given to `next`, which answers the name of a parameter. */
export const conditionsOf = (wanted: ExecutionFilters, next: (value: unknown) => string): string[] =>
  given(wanted).map((name) => filterOf[name].sql(next(wanted[name])));

/** Whether a row is one that the filters ask for; the same answer as their SQL gives. */
export const isWanted = (row: Execution, wanted: ExecutionFilters): boolean =>
  given(wanted).every((name) => filterOf[name].holds(row, wanted[name] as never));

export interface SqlCondition {
  readonly sql: string;
  readonly params: unknown[];
}

/** The filters of one organization as SQL; the organization is named beside row-level security so that its index is used. */
export const whereOf = (orgId: string, wanted: ExecutionFilters, after: ExecutionCursor | null = null): SqlCondition => {
  const params: unknown[] = [orgId];
  const next = (value: unknown): string => `$${params.push(value)}`;
  const sql = ['org_id = $1', ...conditionsOf(wanted, next)];
  if (after !== null) sql.push(`(created_at, invocation_id) < (${next(after.createdAt)}, ${next(after.invocationId)})`);
  return { sql: sql.join(' AND '), params };
};
