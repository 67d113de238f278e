import { Inject, Injectable } from '@nestjs/common';
import type { Execution } from '../execution.js';
import { ExecutionsDatabase } from '../database/executions-database.js';
import { readExecution } from '../database/execution-columns.js';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';
import type { ExecutionCursor, ExecutionFilters } from './execution-filters.js';
import { pageSql } from './execution-page.js';
import { locateSql } from './locate-executions.js';

type Row = Parameters<typeof readExecution>[0];
type StopRow = { createdAt: Date; invocationId: string };

/** Each means a look into attempts, which costs many times as much as a look at an execution. */
const TEXT_BUDGET_SHARE = 0.1;

export interface ExecutionsPage {
  readonly rows: readonly Execution[];
  /** Where the next page begins; null when there is none. */
  readonly next: ExecutionCursor | null;
}

export interface PageRequest {
  readonly orgId: string;
  readonly filters: ExecutionFilters;
  readonly text: string | null;
  readonly after: ExecutionCursor | null;
  readonly limit: number;
}

const positionOf = ({ createdAt, invocationId }: { createdAt: Date | string; invocationId: string }): ExecutionCursor => ({
  createdAt: new Date(createdAt).toISOString(),
  invocationId,
});

const isBefore = (a: ExecutionCursor, b: ExecutionCursor): boolean =>
  a.createdAt < b.createdAt || (a.createdAt === b.createdAt && a.invocationId < b.invocationId);

/** Pages of executions, as the tenant's role: row-level security stands behind every row that is shown. */
@Injectable()
export class ExecutionPages {
  constructor(
    private readonly database: ExecutionsDatabase,
    @Inject(EXECUTIONS_CONFIG) private readonly config: ExecutionsConfig,
  ) {}

  async find({ orgId, filters, text, after, limit }: PageRequest): Promise<ExecutionsPage> {
    const budget = Math.ceil(this.config.EXECUTIONS_WALK_ROWS_MAX * (text === null ? 1 : TEXT_BUDGET_SHARE));
    const located = await this.locate(orgId, filters, after);
    const { page, stop } = pageSql({ orgId, filters, text, among: located?.ids ?? null, after, limit: limit + 1, budget });
    // A row that succeeded between the two would move the stop past rows that the page did not look at.
    const [rows, stopped] = await this.database.tenantMoment(orgId, async (manager) => {
      const found: Row[] = await manager.query(page.sql, page.params);
      const [last]: StopRow[] = stop === null ? [] : await manager.query(stop.sql, stop.params);
      return [found.map(readExecution), last === undefined ? null : positionOf(last)] as const;
    });
    const stops = [stopped, located?.stopped ?? null].filter((one) => one !== null);
    const horizon = stops.reduce<ExecutionCursor | null>((newest, one) => (newest === null || isBefore(newest, one) ? one : newest), null);
    const sure = horizon === null ? rows : rows.filter((row) => !isBefore(row, horizon));
    const last = sure[limit - 1];
    return { rows: sure.slice(0, limit), next: sure.length > limit && last !== undefined ? positionOf(last) : horizon };
  }

  /**
   * The invocations that ids of the platform lead to, newest first. Asked past row-level security, in the organization that is named:
   * Postgres uses no index on `lower(…)` behind a policy, since that function is not marked leakproof. Rows are read behind it.
   */
  async locate(
    orgId: string,
    filters: ExecutionFilters,
    after: ExecutionCursor | null = null,
  ): Promise<{ ids: string[]; stopped: ExecutionCursor | null } | null> {
    const budget = this.config.EXECUTIONS_WALK_ROWS_MAX;
    const located = locateSql(orgId, filters, after, budget);
    if (located === null) return null;
    const found = await this.database.query<StopRow>(located.sql, located.params);
    const last = found[budget - 1];
    return { ids: found.map(({ invocationId }) => invocationId), stopped: last === undefined ? null : positionOf(last) };
  }
}
