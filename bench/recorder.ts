/**
 * Invocations a second that `executions` records, from the topics to committed rows, and what one costs at each size of the table.
 * Real: the service with its consumers and checks, Postgres with fsync on the same machine. In memory: the log, so that no broker is measured.
 * Of 20 invocations 14 are triggers that succeed at once, 2 succeed at their second attempt, and 4 are steps with their step result.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  flows,
  type InvocationRequest,
  type InvocationResult,
  stepInvocationResults,
  stepResults,
  triggerInvocationResults,
} from '@cf/contract';
import { ExecutionsModule } from '@cf/executions';
import { EmbeddedLog, type Publisher } from '@cf/messaging';
import { startEmbeddedPostgres } from '@cf/persistence';
import { createLogger, readPlatform, runApplication } from '@cf/service-kit';
import pg from 'pg';
import { round } from './figures.ts';

/** Organizations, functions and triggers that the invocations belong to. */
const ORGANIZATIONS = 20;
const FUNCTIONS = 100;
/** Invocations that are put into the log at once: many batches, and little enough for memory. */
const AT_ONCE = 25_000;
/** Days over which acceptance times are spread, as in a table that grew to its retention. */
const DAYS = 28;
/** ms between acceptances: what is recorded together came together. */
const EVERY_MS = 10;
const FIGURES = 20;
const TICK_MS = 10;

interface Figure {
  readonly rowsBefore: number;
  readonly invocationsPerSecond: number;
  readonly nodeCpuUs: number;
  readonly postgresCpuUs: number | null;
}

/** Parent process, and user and system time in ms, as Linux counts it. */
const statOf = (pid: string): { parent: string | undefined; cpuMs: number } => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { parent: fields[1], cpuMs: (Number(fields[11]) + Number(fields[12])) * 10 };
};

/** CPU time in ms of the server that this connection belongs to, its checkpointer included; null when it is not on this Linux. */
const postgresCpuMs = async (sql: pg.Client): Promise<number | null> => {
  const { rows } = await sql.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  try {
    const postmaster = statOf(String(rows[0]?.pid)).parent;
    const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    return processes.reduce((sum, pid) => {
      try {
        const { parent, cpuMs } = statOf(pid);
        return parent === postmaster ? sum + cpuMs : sum;
      } catch {
        return sum;
      }
    }, 0);
  } catch {
    return null;
  }
};

const nodeCpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

const ids = (count: number): string[] => Array.from({ length: count }, () => randomUUID());

class Load {
  private readonly organizations = ids(ORGANIZATIONS);
  private readonly functions = ids(FUNCTIONS);
  private readonly triggers = ids(FUNCTIONS);
  private readonly responseBody = JSON.stringify({ returnValue: 'Scheduled', note: 'x'.repeat(150) });
  private made = 0;

  constructor(
    private readonly invocations: number,
    private readonly startMs = Date.now() - DAYS * 86_400_000,
  ) {}

  /** The records that one invocation leaves on the topics of results. */
  next(): { topic: string; key: string; value: string }[] {
    const index = this.made++;
    const day = Math.floor((index / this.invocations) * DAYS);
    const startMs = this.startMs + day * 86_400_000 + (index % AT_ONCE) * EVERY_MS;
    const at = (plusMs: number): string => new Date(startMs + plusMs).toISOString();
    return index % 5 === 4 ? this.step(index, at) : this.trigger(index, at);
  }

  private request(index: number, example: InvocationRequest, acceptedAt: string): InvocationRequest {
    return {
      ...example,
      invocationId: randomUUID(),
      orgId: this.organizations[index % ORGANIZATIONS]!,
      cloudFunctionId: this.functions[index % FUNCTIONS]!,
      chatId: randomUUID(),
      acceptedAt,
    };
  }

  private trigger(index: number, at: (plusMs: number) => string) {
    const request: InvocationRequest = {
      ...this.request(index, triggerInvocationResults.example.request, at(0)),
      triggerId: this.triggers[index % FUNCTIONS]!,
      event: { id: randomUUID(), type: 'MessagePosted' },
      body: JSON.stringify({ type: 'MessagePosted', id: randomUUID(), text: 'x'.repeat(300) }),
    };
    const ok = (sent: InvocationRequest, plusMs: number) => this.result(triggerInvocationResults.example, sent, at, plusMs);
    if (index % 10 !== 3) return [this.record(triggerInvocationResults.name, request.invocationId, ok(request, 100))];
    const failed: InvocationResult = { ...ok(request, 100), disposition: 'retrying', outcome: null, dueAt: at(1_000), httpStatus: 500 };
    return [failed, ok({ ...request, seq: 1, attempt: 2 }, 2_000)].map((result) =>
      this.record(triggerInvocationResults.name, request.invocationId, result),
    );
  }

  private step(index: number, at: (plusMs: number) => string) {
    const example = stepInvocationResults.example.request;
    const requestId = randomUUID();
    const request: InvocationRequest = { ...this.request(index, example, at(0)), step: { ...example.step!, requestId } };
    const { invocationId, orgId, cloudFunctionId, chatId } = request;
    const answer = { ...stepResults.example, requestId, orgId, invocationId, cloudFunctionId, chatId, completedAt: at(130) };
    return [
      this.record(stepInvocationResults.name, invocationId, this.result(stepInvocationResults.example, request, at, 120)),
      this.record(stepResults.name, invocationId, answer),
    ];
  }

  private result(example: InvocationResult, request: InvocationRequest, at: (plusMs: number) => string, plusMs: number): InvocationResult {
    const attempt = {
      ...example.attempts[0]!,
      attemptId: randomUUID(),
      number: request.attempt,
      startedAt: at(plusMs - 90),
      response: { headers: { 'content-type': 'application/json' }, body: this.responseBody, truncated: false },
    };
    return { ...example, request, attempts: [attempt], completedAt: at(plusMs) };
  }

  private record(topic: string, key: string, message: object) {
    return { topic, key, value: JSON.stringify(message) };
  }
}

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

export const measureRecorder = async (invocations: number): Promise<object> => {
  const step = Math.max(AT_ONCE, invocations / FIGURES);
  const dataDir = mkdtempSync(join(tmpdir(), 'cf-bench-'));
  const postgres = await startEmbeddedPostgres({ dataDir });
  const databaseUrl = postgres.url;
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
  const load = new Load(invocations);
  const figures: Figure[] = [];
  const sql = new pg.Client({ connectionString: databaseUrl });
  await sql.connect();
  try {
    for (let recorded = 0; recorded < invocations; recorded += step) {
      const postgresBefore = await postgresCpuMs(sql);
      const { ms, nodeMs } = await recordAll(log, publisher, load, step);
      const postgresAfter = await postgresCpuMs(sql);
      const figure = {
        rowsBefore: recorded,
        invocationsPerSecond: Math.round(step / (ms / 1_000)),
        nodeCpuUs: round((nodeMs * 1_000) / step),
        postgresCpuUs: postgresBefore === null || postgresAfter === null ? null : round(((postgresAfter - postgresBefore) * 1_000) / step),
      };
      figures.push(figure);
      process.stdout.write(
        `  from ${figure.rowsBefore} rows: ${figure.invocationsPerSecond}/s, CPU each: Node ${figure.nodeCpuUs} µs, Postgres ${figure.postgresCpuUs ?? '?'} µs\n`,
      );
    }
    const { rows } = await sql.query<{ size: string; count: string }>(
      `SELECT pg_size_pretty(sum(pg_total_relation_size(c.oid))) AS size, (SELECT count(*) FROM executions.executions) AS count
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'executions' AND c.relkind = 'r'`,
    );
    return { figures, rows: Number(rows[0]?.count), size: rows[0]?.size };
  } finally {
    await sql.end();
    await publisher.close();
    await service.stop();
    await log.close();
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
};
