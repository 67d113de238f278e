import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { ExecutionsDatabase } from '../database/executions-database.js';
import { msOf } from '../database/has-passed.js';
import { FunctionCircuits, type HeardFunction } from './function-circuits.repository.js';
import { asArrays, type FunctionOf } from './function-of.js';
import type { ReachedLevel } from './notice-failures.js';
import type { Tally } from './tally.js';

export type Span = '5m' | '1h';

export interface HealthBucket {
  readonly orgId: string;
  readonly cloudFunctionId: string;
  readonly span: Span;
  readonly bucketAt: Date;
  readonly tally: Tally;
}

/** Buckets that become hours in one transaction. */
export const ROLLED_UP_MAX = 5_000;

const BUCKET = `org_id AS "orgId", cloud_function_id AS "cloudFunctionId", span, bucket_at AS "bucketAt", tally`;
const FUNCTIONS = `unnest($1::uuid[], $2::uuid[]) AS given(org_id, cloud_function_id)`;

const SAVE_BUCKETS = `
  INSERT INTO function_health AS known (org_id, cloud_function_id, span, bucket_at, tally)
  SELECT given."orgId", given."cloudFunctionId", given."span", given."bucketAt", given."tally"
  FROM json_to_recordset($1::json) AS given("orgId" uuid, "cloudFunctionId" uuid, "span" text, "bucketAt" timestamptz, "tally" json)
  ON CONFLICT (cloud_function_id, span, bucket_at, org_id) DO UPDATE SET tally = excluded.tally`;

@Injectable()
export class FunctionHealthRepository {
  constructor(
    private readonly database: ExecutionsDatabase,
    private readonly circuits: FunctionCircuits,
  ) {}

  /** One process at a time: null when another is at it. The time is that of Postgres, one for all processes. */
  alone<T>(work: (manager: EntityManager, nowMs: number) => Promise<T>): Promise<T | null> {
    return this.database.system(async (manager) => {
      const [row] = (await manager.query(`SELECT pg_try_advisory_xact_lock(hashtext('cloud-functions health')) AS free, now()`)) as {
        free: boolean;
        now: Date;
      }[];
      return row?.free === true ? work(manager, row.now.getTime()) : null;
    });
  }

  bucketsBetween(manager: EntityManager, functions: readonly FunctionOf[], span: Span, from: Date, to: Date): Promise<HealthBucket[]> {
    return manager.query(
      `SELECT ${BUCKET} FROM function_health JOIN ${FUNCTIONS} USING (org_id, cloud_function_id) WHERE span = $3 AND bucket_at BETWEEN $4 AND $5`,
      [...asArrays(functions), span, from, to],
    );
  }

  /** The buckets at these places, those that are there. */
  bucketsAt(manager: EntityManager, places: readonly (FunctionOf & { readonly bucketMs: number })[], span: Span): Promise<HealthBucket[]> {
    return manager.query(
      `SELECT ${BUCKET} FROM function_health WHERE span = $4 AND (org_id, cloud_function_id, bucket_at) IN (
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]))`,
      [...asArrays(places), places.map(({ bucketMs }) => new Date(bucketMs)), span],
    );
  }

  async saveBuckets(manager: EntityManager, buckets: readonly HealthBucket[]): Promise<void> {
    if (buckets.length > 0) await manager.query(SAVE_BUCKETS, [JSON.stringify(buckets)]);
  }

  async failureLevels(manager: EntityManager, functions: readonly FunctionOf[]): Promise<(FunctionOf & ReachedLevel)[]> {
    return manager.query(
      `SELECT org_id AS "orgId", cloud_function_id AS "cloudFunctionId", level, reached_at AS "reachedAt"
       FROM function_failures JOIN ${FUNCTIONS} USING (org_id, cloud_function_id)`,
      asArrays(functions),
    );
  }

  async saveFailureLevel(
    manager: EntityManager,
    { orgId, cloudFunctionId }: FunctionOf,
    { level, reachedAt }: ReachedLevel,
  ): Promise<void> {
    await manager.query(
      `INSERT INTO function_failures (org_id, cloud_function_id, level, reached_at) VALUES ($1, $2, $3, $4)
       ON CONFLICT (cloud_function_id, org_id) DO UPDATE SET level = excluded.level, reached_at = excluded.reached_at`,
      [orgId, cloudFunctionId, level, reachedAt],
    );
  }

  /** Takes five-minute buckets that are older, to be kept as hours. */
  async takeOld(manager: EntityManager, before: Date): Promise<HealthBucket[]> {
    const sql = `DELETE FROM function_health WHERE (cloud_function_id, span, bucket_at, org_id) IN (
      SELECT cloud_function_id, span, bucket_at, org_id FROM function_health WHERE span = '5m' AND bucket_at < $1 ORDER BY bucket_at LIMIT ${ROLLED_UP_MAX})
      RETURNING ${BUCKET}`;
    return returned(await manager.query(sql, [before]));
  }

  async prune(manager: EntityManager, before: Date, after: Date): Promise<void> {
    await manager.query(`DELETE FROM function_health WHERE bucket_at < $1 OR bucket_at > $2`, [before, after]);
    await manager.query(`DELETE FROM function_circuits WHERE at < $1 OR at > $2`, [before, after]);
  }

  /** What a function's page shows, as the tenant's role, and when by the clock of Postgres. */
  read(heard: HeardFunction, keptMs: number, waitingMax: number) {
    const { orgId, cloudFunctionId } = heard;
    return this.database.tenant(orgId, async (manager) => {
      const buckets: HealthBucket[] = await manager.query(
        `SELECT ${BUCKET} FROM function_health WHERE org_id = $1 AND cloud_function_id = $2 AND bucket_at >= now() - ${msOf('$3')}`,
        [orgId, cloudFunctionId, keptMs],
      );
      const [waiting] = (await manager.query(
        `SELECT count(*)::integer AS count, min(due_at) AS "nextDueAt", now() FROM (
           SELECT due_at FROM due WHERE org_id = $1 AND cloud_function_id = $2 ORDER BY due_at LIMIT ${waitingMax + 1}) AS counted`,
        [orgId, cloudFunctionId],
      )) as [{ count: number; nextDueAt: Date | null; now: Date }];
      return { nowMs: waiting.now.getTime(), buckets, circuits: await this.circuits.of(manager, heard), waiting };
    });
  }
}

/** TypeORM answers a DELETE with its rows and their number. */
const returned = <T>(answer: unknown): T[] => (answer as [T[], number])[0];
