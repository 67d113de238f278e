/**
 * `npm run bench [-- PART …]`: figures of one run side by side, as ratios; written to .bench/results.json.
 * Parts: `start`, `steps`, `api`, `matching`, `isolation`, `queries`, `recorder`, `throughput` (all workloads) or a workload's name: `zero`,
 * `50ms`, `bimodal`, `hang`, `hot`, `secured`, `100ms`.
 * BENCH_ROUNDS (3), BENCH_PEERS (all) to compare with some only, BENCH_TRIGGERS (1000,10000,100000,1000000), BENCH_EXECUTIONS (1,000,000 rows),
 * BENCH_RECORDER_INVOCATIONS (1,000,000).
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '@cf/persistence';
import { startKafkaBroker } from '../tools/kafka-broker.ts';
import { measureApi } from './api.ts';
import { Candidate, root } from './candidate.ts';
import { measureQueries } from './executions-queries.ts';
import { measureIsolation } from './isolation.ts';
import { measureMatching } from './matching.ts';
import { measureRecorder } from './recorder.ts';
import { measureRoundTrip } from './round-trip.ts';
import { measureSecondStart } from './second-start.ts';
import { measureThroughput, type Peer } from './throughput.ts';
import { workloads } from './workloads.ts';

const chosen = process.argv.slice(2);
const wants = (part: string): boolean => chosen.length === 0 || chosen.includes(part);
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 3);
const peers = (process.env['BENCH_PEERS'] ?? 'invoker,jvm-key,jvm-unordered,eachBatch,nest').split(',') as Peer[];

const triggerCounts = (process.env['BENCH_TRIGGERS'] ?? '1000,10000,100000,1000000').split(',').map(Number);

const results: Record<string, unknown> = {
  at: new Date().toISOString(),
  machine: { cpus: cpus().length, model: cpus()[0]?.model, memoryGiB: Math.round(totalmem() / 2 ** 30), node: process.version },
};

if (wants('start')) {
  process.stdout.write('Time to ready of the standalone\n');
  results['start'] = await measureSecondStart(rounds);
}

if (wants('queries')) {
  process.stdout.write('Questions about executions\n');
  results['queries'] = await measureQueries(Number(process.env['BENCH_EXECUTIONS'] ?? 1_000_000));
}

if (wants('recorder')) {
  process.stdout.write('Invocations a second of the recorder, by the size of its table\n');
  results['recorder'] = await measureRecorder(Number(process.env['BENCH_RECORDER_INVOCATIONS'] ?? 1_000_000));
}

const chosenWorkloads = workloads.filter(({ name }) => wants('throughput') || wants(name));
if (chosenWorkloads.length > 0 || ['steps', 'api', 'matching', 'isolation'].some(wants)) {
  const dataDir = mkdtempSync(join(tmpdir(), 'cf-bench-'));
  const [broker, postgres] = await Promise.all([startKafkaBroker(), startEmbeddedPostgres({ dataDir })]);
  const endpoint = Candidate.run('bench/endpoint.ts', {});
  const target = `http://127.0.0.1:${/ready (\d+)/.exec(await endpoint.ready)?.[1]}`;
  const where = { brokers: broker.address, databaseUrl: postgres.url, dataDir, target };
  try {
    if (wants('steps')) {
      process.stdout.write('Round trip of a step at 200/s\n');
      results['steps'] = await measureRoundTrip({ ...where, perSecond: 200, seconds: 20 });
    }
    if (wants('api')) {
      process.stdout.write('Reads and writes of the admin API\n');
      results['api'] = await measureApi(where);
    }
    if (wants('matching')) {
      process.stdout.write('Matching events with many triggers\n');
      results['matching'] = await measureMatching({ ...where, sizes: triggerCounts });
    }
    if (wants('isolation')) {
      process.stdout.write('What a dead function does to 19 others\n');
      results['isolation'] = await measureIsolation(where);
    }
    for (const workload of chosenWorkloads) {
      process.stdout.write(`Calls a second of the invoker beside its peers, ${workload.name}\n`);
      results[workload.name] = await measureThroughput(workload, { ...where, rounds, peers });
    }
  } finally {
    await endpoint.stop('SIGKILL');
    await postgres.stop();
    await broker.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

mkdirSync(join(root, '.bench'), { recursive: true });
writeFileSync(join(root, '.bench/results.json'), `${JSON.stringify(results, null, 2)}\n`);
process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
