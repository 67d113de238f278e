import { Injectable } from '@nestjs/common';
import { BREAKER, type Lane } from '@cf/contract';
import type { EntityManager } from 'typeorm';
import { asArrays, type FunctionOf } from './function-of.js';
import type { CircuitNews } from './tally.js';

export type CircuitWord = FunctionOf & CircuitNews;

export interface ShownCircuit extends CircuitNews {
  /** Its worker knows the circuit still, as far as can be told. */
  readonly stands: boolean;
}

export interface HeardFunction extends FunctionOf {
  readonly voidUntil: Date | null;
}

export interface CircuitChange extends FunctionOf {
  readonly lane: Lane;
  readonly type: 'circuit_opened' | 'circuit_closed';
}

const STANDS = `at > now() - interval '${BREAKER.abandonedAfterMs} milliseconds'`;

const SAVE = `
  INSERT INTO function_circuits AS known (org_id, cloud_function_id, lane, worker, state, at)
  SELECT given."orgId", given."cloudFunctionId", given."lane", given."worker", given."state", given."at"
  FROM json_to_recordset($1::json) AS given("orgId" uuid, "cloudFunctionId" uuid, "lane" text, "worker" text, "state" text, "at" timestamptz)
  ON CONFLICT (cloud_function_id, lane, worker, org_id) DO UPDATE SET state = excluded.state, at = excluded.at WHERE excluded.at >= known.at`;

/** Void words are deleted too: a process that has not heard of the reset yet would take them for true. */
const CHANGE = `
  WITH given AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS given(org_id, cloud_function_id, void_until)),
  void AS (
    DELETE FROM function_circuits AS word USING given
    WHERE word.cloud_function_id = given.cloud_function_id AND word.org_id = given.org_id AND word.at <= given.void_until),
  open AS (
    SELECT DISTINCT org_id, cloud_function_id, lane FROM function_circuits JOIN given USING (org_id, cloud_function_id)
    WHERE state <> 'closed' AND ${STANDS} AND (void_until IS NULL OR at > void_until)),
  opened AS (
    INSERT INTO open_circuits (org_id, cloud_function_id, lane) SELECT org_id, cloud_function_id, lane FROM open
    ON CONFLICT DO NOTHING RETURNING org_id, cloud_function_id, lane),
  closed AS (
    DELETE FROM open_circuits AS told USING given
    WHERE told.cloud_function_id = given.cloud_function_id AND told.org_id = given.org_id
      AND (told.org_id, told.cloud_function_id, told.lane) NOT IN (SELECT org_id, cloud_function_id, lane FROM open)
    RETURNING told.org_id, told.cloud_function_id, told.lane)
  SELECT org_id AS "orgId", cloud_function_id AS "cloudFunctionId", lane, 'circuit_opened' AS type FROM opened
  UNION ALL SELECT org_id, cloud_function_id, lane, 'circuit_closed' FROM closed`;

/** What workers said of their circuits, and which lanes of functions are known, and told, to be open by that. */
@Injectable()
export class FunctionCircuits {
  /** The latest word of each worker. */
  async save(manager: EntityManager, words: readonly CircuitWord[]): Promise<void> {
    await manager.query(SAVE, [JSON.stringify(words)]);
  }

  /** The lanes that opened or closed since this was asked last; a word counts while its worker knows its circuit. */
  change(manager: EntityManager, functions: readonly HeardFunction[]): Promise<CircuitChange[]> {
    return manager.query(CHANGE, [...asArrays(functions), functions.map(({ voidUntil }) => voidUntil)]);
  }

  /** The next functions with an open lane, in the order of their ids. */
  openAfter(manager: EntityManager, last: FunctionOf | null, limit: number): Promise<FunctionOf[]> {
    return manager.query(
      `SELECT DISTINCT cloud_function_id AS "cloudFunctionId", org_id AS "orgId" FROM open_circuits
       WHERE $1::uuid IS NULL OR (cloud_function_id, org_id) > ($1::uuid, $2::uuid) ORDER BY 1, 2 LIMIT $3`,
      [last?.cloudFunctionId ?? null, last?.orgId ?? null, limit],
    );
  }

  async of(manager: EntityManager, { orgId, cloudFunctionId, voidUntil }: HeardFunction): Promise<ShownCircuit[]> {
    const rows: (Omit<ShownCircuit, 'at'> & { readonly at: Date })[] = await manager.query(
      `SELECT lane, worker, state, at, ${STANDS} AS stands FROM function_circuits
       WHERE org_id = $1 AND cloud_function_id = $2 AND ($3::timestamptz IS NULL OR at > $3) ORDER BY lane, worker`,
      [orgId, cloudFunctionId, voidUntil],
    );
    return rows.map(({ at, ...circuit }) => ({ ...circuit, at: at.toISOString() }));
  }
}
