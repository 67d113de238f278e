/**
 * Invocations a second that `executions` records, from the topics to committed rows, and what one costs with so many rows there before
 * (`BENCH_RECORDER_ROWS`). Real: the service with its consumers and checks, its health counts and change notes, and Postgres with fsync on the
 * same machine. In memory: the log, so that no broker is measured; writing to it is part of the CPU time of Node.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { ExecutionsFill } from './executions-fill.ts';
import { startBenchPostgres } from './executions-postgres.ts';
import { round } from './figures.ts';
import type { Took } from './recorder-process.ts';

/** Recorded before anything is measured: connections, compiled code, pages in memory. */
const WARM_UP = 25_000;
const TICKS_PER_SECOND = 100;

interface Figure {
  readonly rowsBefore: number;
  /** Recorded since the last checkpoint: the first change of a page after it writes the whole page to the WAL. */
  readonly sinceCheckpoint: number;
  readonly invocationsPerSecond: number;
  readonly nodeCpuUs: number;
  readonly postgresCpuUs: number | null;
  readonly walBytes: number;
}

/** Of a process, as Linux counts it: its parent, its CPU time in ms, and that of its children that have ended. */
const statOf = (pid: string): { parent: string | undefined; cpuMs: number; endedMs: number } => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ms = (user: number, system: number): number => ((Number(fields[user]) + Number(fields[system])) * 1_000) / TICKS_PER_SECOND;
  return { parent: fields[1], cpuMs: ms(11, 12), endedMs: ms(13, 14) };
};

/** CPU time in ms of the server that this connection belongs to, its checkpointer and vacuums included; null when it is not on this Linux. */
const postgresCpuMs = async (sql: pg.Client): Promise<number | null> => {
  const { rows } = await sql.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  try {
    const postmaster = statOf(String(rows[0]?.pid)).parent ?? '';
    const { cpuMs: own, endedMs } = statOf(postmaster);
    const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    return processes.reduce((sum, pid) => {
      try {
        const { parent, cpuMs } = statOf(pid);
        return parent === postmaster ? sum + cpuMs : sum;
      } catch {
        return sum;
      }
    }, own + endedMs);
  } catch {
    return null;
  }
};

const walBytes = async (sql: pg.Client): Promise<number> => {
  const { rows } = await sql.query<{ bytes: string }>(`SELECT pg_current_wal_lsn() - '0/0'::pg_lsn AS bytes`);
  return Number(rows[0]?.bytes);
};

interface Recorder {
  record(count: number): Promise<Took>;
  stop(): Promise<void>;
}

const startRecorder = async (databaseUrl: string): Promise<Recorder> => {
  const child = fork(join(import.meta.dirname, 'recorder-process.ts'), [databaseUrl]);
  const answer = async (): Promise<unknown> => {
    const ended = new AbortController();
    const { signal } = ended;
    const exit = once(child, 'exit', { signal }).then(([code]) => Promise.reject(new Error(`the recorder ended with ${code}`)));
    try {
      return ((await Promise.race([once(child, 'message', { signal }), exit])) as unknown[])[0];
    } finally {
      ended.abort();
      exit.catch(() => undefined);
    }
  };
  await answer();
  return {
    record: async (count) => {
      child.send(count);
      return (await answer()) as Took;
    },
    stop: async () => {
      const exit = once(child, 'exit');
      child.disconnect();
      await exit;
    },
  };
};

export const measureRecorder = async (sizes: readonly number[], invocations: number): Promise<object> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'cf-bench-'));
  const postgres = await startBenchPostgres(dataDir);
  // Makes the schema.
  await (await startRecorder(postgres.url)).stop();
  const fill = new ExecutionsFill(postgres.url, Math.max(...sizes));
  const figures: Figure[] = [];
  const sql = new pg.Client({ connectionString: postgres.url });
  await sql.connect();
  const measure = async (rowsBefore: number, sinceCheckpoint: number): Promise<void> => {
    const recorder = await startRecorder(postgres.url);
    await recorder.record(WARM_UP);
    if (sinceCheckpoint === 0) await postgres.checkpoint();
    const [cpuBefore, walBefore] = [await postgresCpuMs(sql), await walBytes(sql)];
    const { ms, nodeMs } = await recorder.record(invocations);
    const [cpuAfter, walAfter] = [await postgresCpuMs(sql), await walBytes(sql)];
    await recorder.stop();
    const figure: Figure = {
      rowsBefore,
      sinceCheckpoint,
      invocationsPerSecond: Math.round(invocations / (ms / 1_000)),
      nodeCpuUs: round((nodeMs * 1_000) / invocations),
      postgresCpuUs: cpuBefore === null || cpuAfter === null ? null : round(((cpuAfter - cpuBefore) * 1_000) / invocations),
      walBytes: Math.round((walAfter - walBefore) / invocations),
    };
    figures.push(figure);
    process.stdout.write(
      `  from ${rowsBefore} rows, ${sinceCheckpoint} after a checkpoint: ${figure.invocationsPerSecond}/s, CPU each: Node ${figure.nodeCpuUs} µs, Postgres ${figure.postgresCpuUs ?? '?'} µs; ${figure.walBytes} bytes of WAL each\n`,
    );
  };
  try {
    for (const rows of sizes.toSorted((a, b) => a - b)) {
      await fill.growTo(rows);
      for (const sinceCheckpoint of [0, invocations]) await measure(rows, sinceCheckpoint);
    }
    const { rows } = await sql.query<{ size: string; count: string }>(
      `SELECT pg_size_pretty(sum(pg_total_relation_size(c.oid))) AS size, (SELECT count(*) FROM executions.executions) AS count
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'executions' AND c.relkind = 'r'`,
    );
    return { invocations, figures, rows: Number(rows[0]?.count), size: rows[0]?.size };
  } finally {
    await sql.end();
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
};
