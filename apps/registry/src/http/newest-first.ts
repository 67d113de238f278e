import type { SelectQueryBuilder } from 'typeorm';
import { z } from 'zod';
import { uuid } from '@cf/contract';
import { listCursor, queryTime } from '@cf/service-kit';
import type { VersionedRow } from '../database/versioned-row.js';

export interface Page<T> {
  readonly data: readonly T[];
  readonly nextCursor: string | null;
}

export interface PageQuery {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

const position = z.strictObject({ createdAt: queryTime, id: uuid });

/**
 * One page of rows of a list, newest first; its filters (the organization among them) are those that `rows` has already. Creation times
 * have milliseconds in the table as in the cursor, and the id decides between equal ones, so that no row is skipped or seen twice.
 */
export const newestFirst = async <Row extends VersionedRow>(
  list: string,
  { limit, cursor, ...filters }: PageQuery & Readonly<Record<string, unknown>>,
  rows: SelectQueryBuilder<Row>,
): Promise<Page<Row>> => {
  const { alias } = rows;
  const cursors = listCursor(list, filters, position);
  const after = cursors.decode(cursor);
  if (after !== null) rows.andWhere(`(${alias}.created_at, ${alias}.id) < (:createdAt, :id)`, after);
  const found = await rows
    .orderBy(`${alias}.createdAt`, 'DESC')
    .addOrderBy(`${alias}.id`, 'DESC')
    .limit(limit + 1)
    .getMany();
  const data = found.slice(0, limit);
  const last = data.at(-1);
  const nextCursor =
    found.length > limit && last !== undefined ? cursors.encode({ createdAt: last.createdAt.toISOString(), id: last.id }) : null;
  return { data, nextCursor };
};

export const mapPage = <Row, T>(page: Page<Row>, map: (row: Row) => T): Page<T> => ({
  data: page.data.map(map),
  nextCursor: page.nextCursor,
});
