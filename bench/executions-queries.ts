/**
 * What people ask of executions, over HTTP, on a table that is full: p50 and p99 of each combination of filters, with the plans that Postgres
 * chose. Written to docs/reports/query-plans.md. `BENCH_EXECUTIONS` is the number of rows (10,000,000).
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { accessTokenText, flows, registryChanges, type RegistryChange, type Scope, stepInvocationId } from '@cf/contract';
import { ExecutionsModule } from '@cf/executions';
import { EmbeddedLog } from '@cf/messaging';
import { createLogger, readPlatform, runApplication } from '@cf/service-kit';
import pg from 'pg';
import { pageSql, type PageSearch } from '../apps/executions/src/query/execution-page.ts';
import { executionsQuery } from '../apps/executions/src/query/execution-filters.ts';
import { root } from './candidate.ts';
import { ExecutionsFill, RARE_CHAT_EVERY } from './executions-fill.ts';
import { startBenchPostgres } from './executions-postgres.ts';
import { quantile, round } from './figures.ts';

const OPERATOR_TOKEN = 'bench-operator-token-0123456789';
const ROUNDS = 100;
/** Counts read every row that they count, up to their time limit. */
const ROUNDS_OF_COUNTS = 10;
const WALK_ROWS = 10_000;
const DAY_MS = 24 * 60 * 60_000;

interface Question {
  readonly asked: string;
  readonly path: 'executions' | 'executions/counts' | 'executions/histogram';
  readonly query: string;
  readonly other?: boolean;
  /** Each time the page after the one before. */
  readonly follows?: boolean;
}

interface Measured extends Question {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly rows: number | null;
  readonly goesOn: boolean;
  readonly status: number;
  readonly plan: string | null;
}

const ago = (days: number): string => new Date(Date.now() - days * DAY_MS).toISOString();

/** The step whose invocation has the id that is made from its request, which Postgres cannot make. */
const stepNumber = (rows: number): number => Math.floor(rows / 2 / 10) * 10 + 1;

const questionsOf = (fill: ExecutionsFill, rows: number): Question[] => {
  const list = (asked: string, query: string): Question => ({ asked, path: 'executions', query });
  const idOf = (kind: string, number: number): string => fill.idOf(kind, number);
  const [busy, rare] = [idOf('function', 0), idOf('function', 199)];
  const lastDay = `createdAt[gte]=${ago(1)}`;
  return [
    list('newest', ''),
    list('newest, 100', 'limit=100'),
    { ...list('newest of the smaller organization', ''), other: true },
    { ...list('newest, page after page', 'limit=100'), follows: true },
    { ...list('busy function, failed, page after page', `cloudFunctionId=${busy}&status=failed`), follows: true },
    { ...list('failure reason tls, page after page', 'failureReason=tls'), follows: true },
    list('from 20 days ago', `createdAt[lt]=${ago(20)}`),
    list('status failed', 'status=failed'),
    list('status failed or dead_lettered or retrying', 'status=failed&status=dead_lettered&status=retrying'),
    list('status suppressed: there is none', 'status=suppressed'),
    list('failure reason timeout', 'failureReason=timeout'),
    list('busy function', `cloudFunctionId=${busy}`),
    list('rare function', `cloudFunctionId=${rare}`),
    list(
      'three functions, failed',
      `cloudFunctionId=${busy}&cloudFunctionId=${rare}&cloudFunctionId=${idOf('function', 50)}&status=failed`,
    ),
    list('busy function, failed, a day', `cloudFunctionId=${busy}&status=failed&${lastDay}`),
    list('busy function, suppressed: there is none', `cloudFunctionId=${busy}&status=suppressed`),
    list('a function that nobody called', `cloudFunctionId=${randomUUID()}`),
    list('trigger', `triggerId=${idOf('trigger', 3)}`),
    list('trigger, event type', `triggerId=${idOf('trigger', 3)}&eventType=ChatEnded`),
    list('chat', `chatId=${idOf('chat', Math.floor(rows / 40))}`),
    list('chat of three', `chatId=${idOf('rare chat', Math.floor(rows / RARE_CHAT_EVERY / 2))}`),
    list('chat, event, a day', `chatId=${idOf('rare chat', 0)}&eventId=${idOf('event', 3)}`),
    list('a chat that is nowhere', `chatId=${randomUUID()}`),
    list('failure reason tls: one of a million', 'failureReason=tls'),
    list('event', `eventId=${idOf('event', Math.floor(rows / 2 / 5) * 5 + 3)}`),
    list('step request', `requestId=${idOf('request', stepNumber(rows))}`),
    list('step request of a test', `requestId=${idOf('request', 501)}`),
    list('bot and step', `chatBotId=${idOf('chatbot', 7)}&stepId=step-7`),
    list('HTTP status 500 and above', 'httpStatus[gte]=500'),
    list('HTTP status 418: there is none', 'httpStatus=418'),
    list('longer than 10 s', 'durationMs[gte]=10000'),
    list('kind trigger, tests', 'kind=trigger&test=true'),
    list('text in responses, an hour', `text=of%20the%20patient&createdAt[gte]=${ago(1 / 24)}&createdAt[lt]=${ago(0)}`),
    list('text that is nowhere, two days', `text=nowhere&createdAt[gte]=${ago(2)}&createdAt[lt]=${ago(0)}`),
    list(
      'text that is nowhere, busy function, failed',
      `text=nowhere&cloudFunctionId=${busy}&status=failed&createdAt[gte]=${ago(2)}&createdAt[lt]=${ago(0)}`,
    ),
    { asked: 'counts by status, a day', path: 'executions/counts', query: '' },
    { asked: 'counts by function, a day', path: 'executions/counts', query: 'by=cloudFunctionId' },
    { asked: 'counts by status, 30 days', path: 'executions/counts', query: `createdAt[gte]=${ago(30)}` },
    { asked: 'histogram, a day', path: 'executions/histogram', query: '' },
    { asked: 'histogram of what failed, 30 days', path: 'executions/histogram', query: `status=failed&createdAt[gte]=${ago(30)}` },
  ];
};

const explain = async (client: pg.Client, filled: ExecutionsFill, { query, path }: Question): Promise<string | null> => {
  if (path !== 'executions') return null;
  const given: Record<string, string | string[]> = {};
  for (const name of new Set(new URLSearchParams(query).keys())) {
    const values = new URLSearchParams(query).getAll(name);
    given[name] = values.length === 1 ? (values[0] ?? '') : values;
  }
  const { limit, cursor: _, text = null, ...filters } = executionsQuery.parse(given);
  if (filters.chatId ?? filters.eventId ?? filters.requestId) return null;
  const search: PageSearch = {
    orgId: filled.orgId,
    filters,
    text,
    among: null,
    after: null,
    limit: limit + 1,
    budget: text === null ? WALK_ROWS : WALK_ROWS / 10,
  };
  const { page } = pageSql(search);
  await client.query('BEGIN');
  await client.query(
    `SELECT set_config('role', 'cf_tenant', true), set_config('cf.org_id', $1, true), set_config('search_path', 'executions', true)`,
    [filled.orgId],
  );
  const { rows } = await client.query<{ 'QUERY PLAN': string }>(
    `EXPLAIN (ANALYZE, TIMING OFF, BUFFERS OFF, SUMMARY OFF) ${page.sql}`,
    page.params,
  );
  await client.query('ROLLBACK');
  return rows.map((row) => row['QUERY PLAN']).join('\n');
};

const report = (measured: readonly Measured[], rows: number): string => {
  const line = (one: Measured): string =>
    `| ${one.asked} | ${one.p50Ms} | ${one.p99Ms} | ${one.status === 200 ? (one.rows ?? '') : `${one.status}`} | ${one.goesOn ? 'yes' : ''} |`;
  const plans = measured
    .filter(({ plan }) => plan !== null)
    .map(
      ({ asked, query, plan }) => `### ${asked}\n\n\`${query.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '…')}\`\n\n\`\`\`\n${plan}\n\`\`\`\n`,
    );
  return `# Query plans

Made by \`npm run bench -- queries\` with ${rows.toLocaleString('en')} executions of 30 days, nine of ten of one organization, on ${cpus().length} cores (${cpus()[0]?.model.trim()}),
${Math.round(totalmem() / 2 ** 30)} GiB, Postgres on the same machine, with shared_buffers 2 GB, over HTTP, one request at a time, ${ROUNDS} each.
"goes on" means that the page ended at its budget of rows and its cursor continues from there.

| question | p50 ms | p99 ms | rows | goes on |
| --- | --: | --: | --: | --- |
${measured.map(line).join('\n')}

## Plans

${plans.join('\n')}`;
};

export const measureQueries = async (rows: number): Promise<object> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'cf-bench-queries-'));
  const postgres = await startBenchPostgres(dataDir);
  const log = EmbeddedLog.inMemory();
  await log.start();
  await log.ensureTopics(flows.map(({ topic }) => ({ ...topic, partitions: 1 })));
  const platform = readPlatform(
    { port: 0, needs: 'nothing' },
    { NODE_ENV: 'test', DATABASE_URL: postgres.url, OPERATOR_TOKEN, LOG_LEVEL: 'error', DATA_DIR: dataDir },
  );
  const service = await runApplication([ExecutionsModule], platform, log, createLogger('bench', 'error'));
  const client = new pg.Client(postgres.url);
  await client.connect();
  try {
    const filled = new ExecutionsFill(postgres.url, rows);
    const { orgId, otherOrgId } = filled;
    const tokens = await tell(log, [orgId, otherOrgId]);
    await filled.growTo(rows);
    await filled.addAttempts();
    const number = stepNumber(rows);
    await client.query('UPDATE executions.executions SET invocation_id = $2 WHERE invocation_id = $1', [
      filled.idOf('invocation', number),
      stepInvocationId(orgId, filled.idOf('request', number)),
    ]);
    await postgres.checkpoint();
    const measured: Measured[] = [];
    for (const question of questionsOf(filled, rows)) {
      const org = question.other === true ? otherOrgId : orgId;
      const url = `${service.address}/v1/orgs/${org}/${question.path}?${question.query}`;
      const times: number[] = [];
      let last: { status: number; body: { data?: unknown[]; nextCursor?: string | null } } = { status: 0, body: {} };
      const rounds = question.path === 'executions' ? ROUNDS : ROUNDS_OF_COUNTS;
      let cursor: string | null = null;
      for (let index = 0; index < rounds + 3; index++) {
        const askedAt = performance.now();
        const answer = await fetch(cursor === null ? url : `${url}&cursor=${cursor}`, {
          headers: { authorization: `Bearer ${tokens.get(org)}` },
        });
        last = { status: answer.status, body: (await answer.json()) as (typeof last)['body'] };
        if (index >= 3) times.push(performance.now() - askedAt);
        if (question.follows === true) cursor = last.body.nextCursor ?? null;
      }
      const one: Measured = {
        ...question,
        p50Ms: round(quantile(times, 0.5)),
        p99Ms: round(quantile(times, 0.99)),
        rows: last.body.data?.length ?? null,
        goesOn: last.body.nextCursor !== null && last.body.nextCursor !== undefined && (last.body.data?.length ?? 0) < 25,
        status: last.status,
        plan: await explain(client, filled, question),
      };
      measured.push(one);
      process.stdout.write(
        `  ${one.asked}: p50 ${one.p50Ms} ms, p99 ${one.p99Ms} ms, ${one.status === 200 ? `${one.rows} rows` : one.status}${one.goesOn ? ', goes on' : ''}\n`,
      );
    }
    mkdirSync(join(root, 'docs/reports'), { recursive: true });
    writeFileSync(join(root, 'docs/reports/query-plans.md'), report(measured, rows));
    return { rows, measured: measured.map(({ plan: _, ...figures }) => figures) };
  } finally {
    await client.end();
    await service.stop();
    await log.close();
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
};

/** Two organizations, each with a token that may read and reveal. */
const tell = async (log: EmbeddedLog, orgIds: readonly string[]): Promise<Map<string, string>> => {
  const publisher = log.createPublisher('registry', 'trigger');
  const tokens = new Map<string, string>();
  const scopes: Scope[] = ['executions:read', 'executions:reveal'];
  for (const orgId of orgIds) {
    const [id, token] = [randomUUID(), accessTokenText(randomUUID().replaceAll('-', '').padEnd(40, '0'))];
    const hash = createHash('sha256').update(token).digest('hex');
    const changes: RegistryChange[] = [
      {
        type: 'organization',
        id: orgId,
        version: 1,
        deleted: false,
        resource: { id: orgId, name: 'Bench', cloudFunctionsEnabled: true, retentionDays: 30 },
      },
      { type: 'access-token', id, version: 1, deleted: false, resource: { id, orgId, name: 'Bench', hash, scopes, expiresAt: null } },
    ];
    for (const change of changes) await publisher.publish({ topic: registryChanges.name, key: change.id, value: JSON.stringify(change) });
    tokens.set(orgId, token);
  }
  await publisher.close();
  return tokens;
};
