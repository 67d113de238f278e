import type { Execution } from '../execution.js';
import type { CopyTarget } from './copy-rows.js';

const types = {
  invocationId: 'uuid',
  orgId: 'uuid',
  kind: 'text',
  test: 'boolean',
  status: 'text',
  seq: 'integer',
  nextAttempt: 'integer',
  byResult: 'boolean',
  attemptCount: 'integer',
  paused: 'boolean',
  bulk: 'boolean',
  retryUntil: 'timestamptz',
  cloudFunctionId: 'uuid',
  triggerId: 'uuid',
  eventId: 'text',
  eventType: 'text',
  chatId: 'text',
  requestId: 'text',
  botExecutionId: 'text',
  chatBotId: 'text',
  chatBotName: 'text',
  chatBotType: 'text',
  stepName: 'text',
  stepId: 'text',
  saveValueToAttribute: 'text',
  failureBranch: 'boolean',
  branchKind: 'text',
  branchOption: 'text',
  branchReason: 'text',
  nearMiss: 'text',
  returnValue: 'text',
  warning: 'text',
  failureReason: 'text',
  failureDetail: 'text',
  deferReason: 'text',
  httpStatus: 'integer',
  durationMs: 'float8',
  nextAttemptAt: 'timestamptz',
  completedAt: 'timestamptz',
  acceptedAt: 'timestamptz',
  createdAt: 'timestamptz',
  stepResultOffset: 'bigint',
} as const satisfies Record<keyof Execution, string>;

export const columnOf = (property: string): string => property.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const properties = Object.keys(types) as (keyof Execution)[];
const columns = properties.map(columnOf);

/** Column of each property, in camelCase as the code reads it: `invocation_id AS "invocationId", …`. */
export const selectedColumns = properties.map((property) => `${columnOf(property)} AS "${property}"`).join(', ');

const given = `json_to_recordset($1::json) AS given(${properties.map((property) => `"${property}" ${types[property]}`).join(', ')})`;

/** Adds rows that are not there yet. */
export const executionsCopy: CopyTarget<Execution> = {
  table: 'executions',
  columns,
  write: (out, row) => {
    for (const property of properties) out[types[property]](row[property] as never);
  },
};

const changing = properties.filter((property) => property !== 'invocationId' && property !== 'orgId');

/** Replaces rows given as JSON. */
export const updateExecutions = `
  UPDATE executions AS known
  SET ${changing.map((property) => `${columnOf(property)} = given."${property}"`).join(', ')}
  FROM ${given} WHERE known.invocation_id = given."invocationId"`;

type StoredExecution = { [P in keyof Execution]: Execution[P] | Date | string | null };

/** A row as pg reads it: times are `Date`, bigints are text. */
export const readExecution = (row: StoredExecution): Execution => {
  const entries = properties.map((property) => {
    const value = row[property];
    if (value instanceof Date) return [property, value.toISOString()];
    return [property, types[property] === 'bigint' && value !== null ? Number(value) : value];
  });
  return Object.fromEntries(entries) as unknown as Execution;
};
