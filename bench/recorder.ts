/**
 * Invocations a second that `executions` records, from the topics to committed rows, and what one costs with so many rows there before
 * (`BENCH_RECORDER_ROWS`). Real: the service with its consumers and checks, its health counts and change notes, and Postgres with fsync on the
 * same machine. In memory: the log, so that no broker is measured; writing to it is part of the CPU time of Node.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { flows, stepInvocationResults, stepResults, triggerInvocationResults } from '@cf/contract';
import { ExecutionsModule } from '@cf/executions';
import { EmbeddedLog, type Publisher } from '@cf/messaging';
import { createLogger, readPlatform, runApplication } from '@cf/service-kit';
import pg from 'pg';
import { ExecutionsFill } from './executions-fill.ts';
import { startBenchPostgres } from './executions-postgres.ts';
import { round } from './figures.ts';
import { Load } from './recorder-load.ts';

/** Invocations that are put into the log at once: many batches, and little enough for memory. */
const AT_ONCE = 25_000;
/** Recorded before anything is measured: connections, compiled code, pages in memory. */
const WARM_UP = 25_000;
const TICK_MS = 10;
const TICKS_PER_SECOND = 100;

interface Figure {
  readonly rowsBefore: number;
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

const nodeCpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

/** Publishes so many invocations; resolves when all of them are recorded. The making of their messages is not measured. */
const recordAll = async (log: EmbeddedLog, publisher: Publisher, load: Load, count: number): Promise<{ ms: number; nodeMs: number }> => {
  let [ms, nodeMs] = [0, 0];
  for (let left = count; left > 0; left -= AT_ONCE) {
    const records = Array.from({ length: Math.min(AT_ONCE, left) }, () => load.next()).flat();
    const [startedAt, cpuBefore] = [performance.now(), nodeCpuMs()];
    await Promise.all(records.map(({ topic, key, value }) => publisher.publish({ topic, key, value, headers: {} })));
    for (const topic of [triggerInvocationResults.name, stepInvocationResults.name, stepResults.name]) {
      const ends = await log.endOffsets(topic);
      const done = async (): Promise<boolean> => {
        const committed = await log.committedOffsets('executions', topic);
        return ends.every((end, partition) => (committed[partition] ?? 0) >= end);
      };
      while (!(await done())) await pause(TICK_MS);
    }
    ms += performance.now() - startedAt;
    nodeMs += nodeCpuMs() - cpuBefore;
  }
  return { ms, nodeMs };
};

interface Recorder {
  record(count: number): Promise<{ ms: number; nodeMs: number }>;
  stop(): Promise<void>;
}

/** The service with a log of its own: what an earlier measurement left in the memory of this process is not paid for by the next. */
const startRecorder = async (databaseUrl: string, load: Load): Promise<Recorder> => {
  const log = EmbeddedLog.inMemory();
  await log.start();
  await log.ensureTopics(
    flows.map(({ topic }) => ({
      name: topic.name,
      partitions: topic.partitions === 'one' ? 1 : 4,
      cleanup: topic.cleanup,
      retentionMs: 60_000,
      messageBytesMax: topic.messageBytesMax,
    })),
  );
  const platform = readPlatform({ port: 0, needs: 'nothing' }, { NODE_ENV: 'test', DATABASE_URL: databaseUrl, LOG_LEVEL: 'error' });
  const service = await runApplication([ExecutionsModule], platform, log, createLogger('executions', 'error'));
  const publisher = log.createPublisher('bench', 'trigger');
  return {
    record: (count) => recordAll(log, publisher, load, count),
    stop: async () => {
      await publisher.close();
      await service.stop();
      await log.close();
    },
  };
};

export const measureRecorder = async (sizes: readonly number[], invocations: number): Promise<object> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'cf-bench-'));
  const postgres = await startBenchPostgres(dataDir);
  const load = new Load();
  // Makes the schema.
  await (await startRecorder(postgres.url, load)).stop();
  const fill = new ExecutionsFill(postgres.url, Math.max(...sizes));
  const figures: Figure[] = [];
  const sql = new pg.Client({ connectionString: postgres.url });
  await sql.connect();
  const measure = async (rowsBefore: number): Promise<Figure> => {
    const recorder = await startRecorder(postgres.url, load);
    try {
      await recorder.record(WARM_UP);
      await postgres.checkpoint();
      const [cpuBefore, walBefore] = [await postgresCpuMs(sql), await walBytes(sql)];
      const { ms, nodeMs } = await recorder.record(invocations);
      const [cpuAfter, walAfter] = [await postgresCpuMs(sql), await walBytes(sql)];
      return {
        rowsBefore,
        invocationsPerSecond: Math.round(invocations / (ms / 1_000)),
        nodeCpuUs: round((nodeMs * 1_000) / invocations),
        postgresCpuUs: cpuBefore === null || cpuAfter === null ? null : round(((cpuAfter - cpuBefore) * 1_000) / invocations),
        walBytes: Math.round((walAfter - walBefore) / invocations),
      };
    } finally {
      await recorder.stop();
    }
  };
  try {
    for (const rows of sizes.toSorted((a, b) => a - b)) {
      await fill.growTo(rows);
      const figure = await measure(rows);
      figures.push(figure);
      process.stdout.write(
        `  from ${figure.rowsBefore} rows: ${figure.invocationsPerSecond}/s, CPU each: Node ${figure.nodeCpuUs} µs, Postgres ${figure.postgresCpuUs ?? '?'} µs; ${figure.walBytes} bytes of WAL each\n`,
      );
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
