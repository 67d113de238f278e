import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { keyedTransaction } from '@cf/idempotency';
import { Problem } from '@cf/service-kit';
import type { EntityManager } from 'typeorm';
import { ExecutionsDatabase } from '../database/executions-database.js';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';
import { countInTime, tooBroad } from '../query/count-in-time.js';
import type { SqlCondition } from '../query/execution-filters.js';
import { ExecutionPages } from '../query/execution-pages.repository.js';
import { type Replay, replayColumns, type ReplayStatus } from './replay.js';
import type { ReplayRequest } from './replay-request.js';
import { locatingOf, namedOf, selectionOf } from './replay-selection.js';

export interface ReplayCursor {
  readonly createdAt: string;
  readonly id: string;
}

const INSERT = `
  INSERT INTO replays (id, org_id, name, status, filter, only_if_not_succeeded, total, created_by, created_at)
  VALUES ($1, $2, $3, 'running', $4, $5, $6, $7, $8) RETURNING ${replayColumns}`;

/** Where a request says from when on. */
const FROM = '/filter/createdAt[gte]';

/** What people ask of replays, as the tenant's role. */
@Injectable()
export class ReplaysRepository {
  constructor(
    private readonly database: ExecutionsDatabase,
    private readonly pages: ExecutionPages,
    @Inject(EXECUTIONS_CONFIG) private readonly config: ExecutionsConfig,
  ) {}

  /** How many executions a replay would be for; a `query_too_broad` when they cannot be counted in time. */
  async count(orgId: string, request: ReplayRequest, createdAt = new Date()): Promise<number> {
    const selection = await this.select(orgId, request, createdAt);
    const counting = { ...selection, sql: `SELECT count(*)::integer AS count FROM executions WHERE ${selection.sql}` };
    const [row] = await this.database.tenant(orgId, (manager) =>
      countInTime<{ count: number }>(manager, counting, this.config.EXECUTIONS_COUNT_TIMEOUT_MS, FROM),
    );
    return row?.count ?? 0;
  }

  /** `approve` is called with the replay before it takes effect, and may refuse by throwing. */
  async create(
    orgId: string,
    request: ReplayRequest,
    createdBy: Replay['createdBy'],
    approve: (replay: Replay) => Promise<void>,
  ): Promise<Replay> {
    const { name, filter, invocationIds, onlyIfNotSucceeded } = request;
    const createdAt = new Date();
    const keyed = keyedTransaction();
    const named = invocationIds === undefined ? null : [...new Set(invocationIds)];
    const total = named?.length ?? (await this.count(orgId, request, createdAt));
    return this.database.tenant(orgId, async (manager) => {
      await keyed?.begin(manager);
      await this.admit(manager, orgId);
      const id = randomUUID();
      const [replay]: Replay[] = await manager.query(INSERT, [
        id,
        orgId,
        name,
        filter === undefined ? null : JSON.stringify(filter),
        onlyIfNotSucceeded,
        total,
        JSON.stringify(createdBy),
        createdAt,
      ]);
      if (named !== null)
        await manager.query('INSERT INTO replay_items (replay_id, invocation_id, org_id) SELECT $1, unnest($2::uuid[]), $3', [
          id,
          named,
          orgId,
        ]);
      await approve(replay!);
      await keyed?.keep(manager, replay);
      return replay!;
    });
  }

  list(orgId: string, after: ReplayCursor | null, limit: number): Promise<Replay[]> {
    return this.database.tenant(orgId, (manager) =>
      manager.query(
        `SELECT ${replayColumns} FROM replays WHERE org_id = $1 AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
         ORDER BY created_at DESC, id DESC LIMIT ${limit}`,
        [orgId, after?.createdAt ?? null, after?.id ?? null],
      ),
    );
  }

  async find(orgId: string, id: string): Promise<Replay | null> {
    return this.database.tenant(orgId, async (manager) => {
      const [replay]: Replay[] = await manager.query(`SELECT ${replayColumns} FROM replays WHERE id = $1`, [id]);
      return replay ?? null;
    });
  }

  /** Locks the replay, lets `approve` refuse by throwing, and gives it the status. Null when there is none. */
  setStatus(orgId: string, id: string, status: ReplayStatus, approve: (replay: Replay) => Promise<void>): Promise<Replay | null> {
    return this.database.tenant(orgId, async (manager) => {
      const [replay]: Replay[] = await manager.query(`SELECT ${replayColumns} FROM replays WHERE id = $1 FOR UPDATE`, [id]);
      if (replay === undefined || replay.status === status) return replay ?? null;
      await approve(replay);
      await manager.query('UPDATE replays SET status = $2, counted_at = NULL WHERE id = $1', [id, status]);
      return { ...replay, status };
    });
  }

  /** One at a time for each organization, so that two at once cannot both be the last. */
  private async admit(manager: EntityManager, orgId: string): Promise<void> {
    await manager.query(`SELECT pg_advisory_xact_lock(hashtextextended('cloud-functions replays ' || $1::text, 0))`, [orgId]);
    const [row]: { open: number }[] = await manager.query(
      'SELECT count(*)::integer AS open FROM replays WHERE org_id = $1 AND completed_at IS NULL',
      [orgId],
    );
    const most = this.config.EXECUTIONS_REPLAYS_PER_ORGANIZATION_MAX;
    if ((row?.open ?? 0) < most) return;
    throw new Problem(429, 'too_many_replays', `The organization has ${most} open replays: let one end, or cancel it.`, [], {
      'retry-after': '60',
    });
  }

  private async select(
    orgId: string,
    { filter: given, invocationIds, onlyIfNotSucceeded }: ReplayRequest,
    createdAt: Date,
  ): Promise<SqlCondition> {
    if (invocationIds !== undefined) return namedOf(orgId, invocationIds, onlyIfNotSucceeded);
    const selecting = { orgId, filter: given ?? null, onlyIfNotSucceeded, createdAt };
    const located = await this.pages.locate(orgId, locatingOf(selecting));
    if (located?.stopped) throw tooBroad(FROM);
    return selectionOf(selecting, located?.ids ?? null);
  }
}
