/** `npm run bench [-- PART …]`: README.md here names the parts and settings. Figures of one run stand side by side, as ratios. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '@cf/persistence';
import { startKafkaBroker } from '../tools/kafka-broker.ts';
import { measureApi } from './api.ts';
import { Candidate } from './candidate.ts';
import { Contenders, type Peer, peers } from './contenders.ts';
import { measureQueries } from './executions-queries.ts';
import { measureFlatness } from './flatness.ts';
import { measureIsolation } from './isolation.ts';
import { measureMatching } from './matching.ts';
import { measureOverload } from './overload.ts';
import { measureRecorder } from './recorder.ts';
import { reportBenchmarks } from './report.ts';
import { keepResult } from './results.ts';
import { measureRoundTrip } from './round-trip.ts';
import { measureSaturation } from './saturation.ts';
import { measureSecondStart } from './second-start.ts';
import type { Where } from './stage.ts';
import { measureSteady } from './steady.ts';
import { measureThroughput } from './throughput.ts';
import { measureWholePath } from './whole-path.ts';
import { workloads } from './workloads.ts';

const setting = (name: string, otherwise: number): number => Number(process.env[`BENCH_${name}`] ?? otherwise);
const list = (name: string, otherwise: string): string[] => (process.env[`BENCH_${name}`] ?? otherwise).split(',');

const rounds = setting('ROUNDS', 5);
const chosenPeers = list('PEERS', peers.join(',')) as Peer[];

type Part = (where: Where) => Promise<unknown>;

/** Without a broker of its own. */
const alone: Record<string, () => Promise<unknown>> = {
  start: () => measureSecondStart(rounds),
  queries: () => measureQueries(setting('EXECUTIONS', 10_000_000)),
  recorder: () =>
    measureRecorder(list('RECORDER_ROWS', '0,1000000,5000000,10000000').map(Number), setting('RECORDER_INVOCATIONS', 300_000)),
};

const beside: Record<string, Part> = {
  steps: (where) => measureRoundTrip({ ...where, perSecond: 200, seconds: setting('STEPS_SECONDS', 15), rounds }),
  api: measureApi,
  matching: (where) => measureMatching({ ...where, sizes: list('TRIGGERS', '1000,10000,100000,1000000').map(Number) }),
  flatness: (where) =>
    measureFlatness({ where, records: setting('FLATNESS_RECORDS', 200_000), rounds: Math.min(rounds, 3), seconds: setting('SECONDS', 3) }),
  'whole-path': (where) => measureWholePath({ where, rounds, seconds: setting('SECONDS', 3) }),
  overload: (where) =>
    measureOverload({ where, minutes: setting('OVERLOAD_MINUTES', 10), budgetMiB: setting('OVERLOAD_BUDGET_MIB', 1_024) }),
  saturation: (where) => measureSaturation({ where, rounds, seconds: setting('SATURATION_SECONDS', 12) }),
  isolation: (where) => measureIsolation({ ...where, rounds, seconds: setting('ISOLATION_SECONDS', 12) }),
};

const contests = new Map<string, (where: Where, contenders: Contenders) => Promise<unknown>>([
  ...workloads.map((workload) => {
    const measure = (where: Where, contenders: Contenders): Promise<unknown> =>
      measureThroughput(workload, { where, contenders, rounds, seconds: setting('SECONDS', 3) });
    return [workload.name, measure] as const;
  }),
  ['steady', (where, contenders) => measureSteady({ where, contenders, rounds })],
]);
const throughput = ['zero', '50ms', 'bimodal', 'hang', 'hot', 'drain', 'steady'];

const asked = process.argv.slice(2);
const all = [...Object.keys(alone), ...Object.keys(beside), ...contests.keys()];
const chosen = new Set((asked.length === 0 ? all : asked).flatMap((part) => (part === 'throughput' ? throughput : [part])));
const unknown = [...chosen].filter((part) => !all.includes(part) && part !== 'report');
if (unknown.length > 0) throw new Error(`no such part: ${unknown.join(', ')}; there are ${all.join(', ')}, throughput and report`);

const measure = async (part: string, work: () => Promise<unknown>): Promise<void> => {
  const startedAtMs = Date.now();
  process.stdout.write(`${part}\n`);
  const result = await work();
  keepResult(part, rounds, startedAtMs, result);
  process.stdout.write(`${part}: ${JSON.stringify(result, (key, value: unknown) => (key === 'rounds' ? undefined : value))}\n`);
};

for (const [part, work] of Object.entries(alone)) if (chosen.has(part)) await measure(part, work);

if ([...Object.keys(beside), ...contests.keys()].some((part) => chosen.has(part))) {
  const dataDir = mkdtempSync(join(tmpdir(), 'cf-bench-'));
  const [broker, postgres] = await Promise.all([startKafkaBroker(), startEmbeddedPostgres({ dataDir })]);
  const endpoint = Candidate.run('bench/endpoint.ts', {});
  const target = `http://127.0.0.1:${/ready (\d+)/.exec(await endpoint.ready)?.[1]}`;
  const where: Where = { brokers: broker.address, databaseUrl: postgres.url, dataDir, target, endpoint };
  try {
    for (const [part, work] of Object.entries(beside)) if (chosen.has(part)) await measure(part, () => work(where));
    const contested = [...contests].filter(([part]) => chosen.has(part));
    if (contested.length > 0) {
      const contenders = await Contenders.assemble(where, chosenPeers, setting('JVM_WARM_CALLS', 250_000));
      try {
        for (const [part, work] of contested) await measure(part, () => work(where, contenders));
      } finally {
        await contenders.close();
      }
    }
  } finally {
    await endpoint.stop('SIGKILL');
    await postgres.stop();
    await broker.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

if (chosen.has('report')) await reportBenchmarks();
