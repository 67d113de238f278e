/**
 * The order in which changes are told, by any number of processes, without a gap.
 *
 * Rows of `execution_changes` are ordered by the transaction that wrote them. Transactions commit in another order than they got
 * their ids, so a reader that went on from "the last id I saw" would miss one that commits late. Therefore nothing is read that is
 * not older than every transaction still open (`pg_snapshot_xmin`): below that horizon all is decided and nothing comes any more.
 * So a position is the same in every process, and a long transaction delays the stream instead of tearing it.
 */
import { Injectable } from '@nestjs/common';
import type { Execution } from '../execution.js';
import { readExecution, selectedColumns } from '../database/execution-columns.js';
import { ExecutionsDatabase } from '../database/executions-database.js';
import type { StreamPosition } from './stream-position.js';

export interface ExecutionChange {
  readonly at: StreamPosition;
  readonly row: Execution;
}

export interface Changes {
  readonly changes: readonly ExecutionChange[];
  /** Everything before is told. */
  readonly position: StreamPosition;
  /** There is more to read at once. */
  readonly more: boolean;
  /** When it was read, by the clock that changes are noted and forgotten by. */
  readonly nowMs: number;
}

interface HorizonRow {
  readonly horizon: string;
  readonly nowMs: number;
}

interface NotedRow extends HorizonRow {
  readonly xid: string | null;
  readonly atMs: number;
  readonly position: string;
  readonly index: string;
  readonly invocationId: string;
}

const msOf = (time: string): string => `floor(extract(epoch FROM ${time}) * 1000)::float8`;

const READ = `
  WITH horizon AS (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xid)
  SELECT horizon.xid::text AS horizon, ${msOf('now()')} AS "nowMs", found.* FROM horizon LEFT JOIN LATERAL (
    SELECT noted.xid::text AS xid, noted.position::text AS position, each.index::text AS index, each.invocation_id AS "invocationId",
           ${msOf('noted.changed_at')} AS "atMs"
    FROM execution_changes AS noted CROSS JOIN LATERAL
         unnest(noted.org_ids, noted.invocation_ids) WITH ORDINALITY AS each(org_id, invocation_id, index)
    WHERE (noted.xid, noted.position) >= ($1::xid8, $2::bigint) AND (noted.xid, noted.position, each.index) > ($1::xid8, $2::bigint, $3::bigint)
      AND noted.xid < horizon.xid AND each.org_id = ANY($4::uuid[])
    ORDER BY noted.xid, noted.position, each.index LIMIT $5) AS found ON true`;

type Row = Parameters<typeof readExecution>[0];

@Injectable()
export class ExecutionChanges {
  constructor(private readonly database: ExecutionsDatabase) {}

  /** Where somebody begins who wants nothing of the past. */
  async now(): Promise<StreamPosition> {
    const [row] = await this.database.query<HorizonRow>(
      `SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon, ${msOf('now()')} AS "nowMs"`,
    );
    return horizonOf(row);
  }

  /** Changes of these organizations after a position, each execution once, as it is now. */
  async read(after: StreamPosition, orgIds: readonly string[], limit: number): Promise<Changes> {
    const noted = await this.database.query<NotedRow>(READ, [String(after.xid), String(after.position), after.index, orgIds, limit]);
    const found = noted.filter(({ xid }) => xid !== null);
    const last = new Map(found.map((one) => [one.invocationId, one]));
    const rows = last.size === 0 ? [] : await this.rows([...last.keys()]);
    const byId = new Map(rows.map((row) => [row.invocationId, row]));
    const changes = [...last.values()].flatMap((one) => {
      const row = byId.get(one.invocationId);
      return row === undefined ? [] : [{ at: positionOf(one), row }];
    });
    changes.sort((a, b) => order(a.at, b.at));
    const more = found.length === limit;
    const end = found.at(-1);
    const horizon = horizonOf(noted[0]);
    return { changes, more, position: more && end !== undefined ? positionOf(end) : horizon, nowMs: horizon.atMs };
  }

  /** Forgets what was noted before. */
  async prune(keptMs: number): Promise<void> {
    await this.database.query(`DELETE FROM execution_changes WHERE changed_at < now() - make_interval(secs => $1)`, [keptMs / 1_000]);
  }

  private async rows(ids: readonly string[]): Promise<Execution[]> {
    const rows = await this.database.query<Row>(`SELECT ${selectedColumns} FROM executions WHERE invocation_id = ANY($1::uuid[])`, [ids]);
    return rows.map(readExecution);
  }
}

const horizonOf = (row: HorizonRow | undefined): StreamPosition => ({
  xid: BigInt(row?.horizon ?? 0),
  position: 0n,
  index: 0,
  atMs: row?.nowMs ?? 0,
});

const positionOf = ({ xid, position, index, atMs }: NotedRow): StreamPosition => ({
  xid: BigInt(xid ?? 0),
  position: BigInt(position),
  index: Number(index),
  atMs,
});

const order = (a: StreamPosition, b: StreamPosition): number =>
  a.xid === b.xid ? (a.position === b.position ? a.index - b.index : Number(a.position - b.position)) : Number(a.xid - b.xid);
