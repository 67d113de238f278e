import { Inject, Injectable } from '@nestjs/common';
import { type ExecutionStatus } from '@cf/contract';
import { ExecutionsDatabase } from '../database/executions-database.js';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';
import { countInTime, tooBroad } from './count-in-time.js';
import { type ExecutionFilters, whereOf } from './execution-filters.js';
import { ExecutionPages } from './execution-pages.repository.js';

/** Groups in one answer; more functions than that are a list, not a chart. */
const GROUPS_MAX = 100;
const FROM = 'createdAt[gte]';

const groupColumns = { status: 'status', failureReason: 'failure_reason', cloudFunctionId: 'cloud_function_id' } as const;
export type CountedBy = keyof typeof groupColumns;

export interface Count {
  readonly value: string | null;
  readonly count: number;
}

export interface StatusCount {
  readonly at: Date;
  readonly status: ExecutionStatus;
  readonly count: number;
}

/** Counts over what a list with the same filters shows. They read every row that they count, so their time is bounded. */
@Injectable()
export class ExecutionsStatistics {
  constructor(
    private readonly database: ExecutionsDatabase,
    private readonly pages: ExecutionPages,
    @Inject(EXECUTIONS_CONFIG) private readonly config: ExecutionsConfig,
  ) {}

  /** The largest groups, and whether there are more. */
  async counts(orgId: string, filters: ExecutionFilters, by: CountedBy): Promise<{ groups: Count[]; truncated: boolean }> {
    const column = groupColumns[by];
    const groups = await this.counted<Count>(
      orgId,
      filters,
      (where) => `SELECT ${column}::text AS value, count(*)::integer AS count FROM executions WHERE ${where}
        GROUP BY ${column} ORDER BY count DESC, value LIMIT ${GROUPS_MAX + 1}`,
    );
    return { groups: groups.slice(0, GROUPS_MAX), truncated: groups.length > GROUPS_MAX };
  }

  /** By time, from `from` on; intervals without an execution are left out. */
  histogram(orgId: string, filters: ExecutionFilters, from: string, intervalMs: number): Promise<StatusCount[]> {
    return this.counted(
      orgId,
      filters,
      (where, next) => `SELECT date_bin(make_interval(secs => ${next(intervalMs / 1_000)}), created_at, ${next(from)}::timestamptz) AS at,
        status, count(*)::integer AS count FROM executions WHERE ${where} GROUP BY 1, 2`,
    );
  }

  private async counted<T>(
    orgId: string,
    filters: ExecutionFilters,
    sqlOf: (where: string, next: (value: unknown) => string) => string,
  ): Promise<T[]> {
    const located = await this.pages.locate(orgId, filters);
    if (located?.stopped) throw tooBroad(FROM);
    const { sql, params } = whereOf(orgId, filters);
    const next = (value: unknown): string => `$${params.push(value)}`;
    const where = located === null ? sql : `${sql} AND invocation_id = ANY(${next(located.ids)}::uuid[])`;
    const counting = { sql: sqlOf(where, next), params };
    return this.database.tenant(orgId, (manager) => countInTime(manager, counting, this.config.EXECUTIONS_COUNT_TIMEOUT_MS, FROM));
  }
}
