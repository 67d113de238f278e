import { Problem } from '@cf/service-kit';
import type { EntityManager } from 'typeorm';
import type { SqlCondition } from './execution-filters.js';

const QUERY_CANCELED = '57014';

/** `pointer` is where the request says from when on. */
export const tooBroad = (pointer: string): Problem =>
  new Problem(400, 'query_too_broad', 'Too many executions to count: narrow createdAt, or add a filter by function, trigger or chat.', [
    { pointer, code: 'query_too_broad', detail: 'narrow it' },
  ]);

/** Counting reads every row that it counts; what takes longer is refused. The last statement of its transaction, which the bound holds for. */
export const countInTime = async <T>(
  manager: EntityManager,
  { sql, params }: SqlCondition,
  timeoutMs: number,
  pointer: string,
): Promise<T[]> => {
  await manager.query(`SET LOCAL statement_timeout = ${timeoutMs}`);
  try {
    return await manager.query<T[]>(sql, params);
  } catch (error) {
    const { driverError } = error as { driverError?: { code?: unknown } };
    throw driverError?.code === QUERY_CANCELED ? tooBroad(pointer) : error;
  }
};
