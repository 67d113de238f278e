/**
 * `npm run simulate -- [--seeds N] [--from N] [--processes N] [--report]`: many histories, one process a core unless told otherwise;
 * `--report` writes docs/reports/simulation.md. `--seed N`: one history, told line by line.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { reportExploration } from './report.js';
import { simulate } from './simulate.js';
import { Totals, type TotalsMessage } from './totals.js';

const FAILURES_MAX = 20;
const BATCH = 500;
const TELL_EVERY_MS = 30_000;

const number = { type: 'string' } as const;
const options = { seeds: number, from: number, processes: number, seed: number, report: { type: 'boolean' } } as const;
const { values } = parseArgs({ options });

interface Batch {
  readonly from: number;
  readonly count: number;
}

interface BatchResult {
  readonly totals: TotalsMessage;
  readonly failures: readonly string[];
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);

const runBatch = async ({ from, count }: Batch): Promise<BatchResult> => {
  const totals = new Totals();
  const failures: string[] = [];
  for (let seed = from; seed < from + count; seed++) {
    const { violations, figures } = await simulate(seed);
    totals.add(figures);
    if (violations.length > 0) failures.push(`npm run simulate -- --seed ${seed}: ${violations[0]!}`);
  }
  return { totals: totals.asMessage(), failures };
};

const replay = async (seed: number): Promise<boolean> => {
  const { trace, violations, figures } = await simulate(seed, true);
  trace.forEach(say);
  say(JSON.stringify(figures));
  violations.forEach((violation) => say(`seed ${seed}: ${violation}`));
  return violations.length === 0;
};

const explore = async (from: number, seeds: number, processes: number, withReport: boolean): Promise<boolean> => {
  const startedMs = performance.now();
  const totals = new Totals();
  const failures: string[] = [];
  let [next, toldMs] = [from, startedMs];
  const rate = (): number => Math.round((totals.histories / (performance.now() - startedMs)) * 1_000);
  const tell = (): void => {
    if (performance.now() - toldMs < TELL_EVERY_MS) return;
    toldMs = performance.now();
    const leftMinutes = Math.ceil((seeds - totals.histories) / Math.max(1, rate()) / 60);
    say(`${totals.histories} of ${seeds} seeds, ${failures.length} failed, ${rate()}/s, ${leftMinutes} minutes left`);
  };
  const work = (child: ChildProcess): Promise<void> =>
    new Promise((resolve, reject) => {
      const give = (): void => {
        const count = Math.min(BATCH, from + seeds - next);
        if (count <= 0 || failures.length >= FAILURES_MAX) {
          child.disconnect();
          return resolve();
        }
        child.send({ from: next, count } satisfies Batch);
        next += count;
      };
      child.on('message', (result: BatchResult) => {
        totals.merge(result.totals);
        result.failures.forEach(say);
        failures.push(...result.failures);
        tell();
        give();
      });
      child.on('error', reject);
      child.on('exit', () => reject(new Error('a process of the simulation ended before its work')));
      give();
    });
  const children = Array.from({ length: processes }, () => fork(process.argv[1]!, { env: { ...process.env, CF_SIMULATION_CHILD: '1' } }));
  await Promise.all(children.map(work));
  const tookMs = performance.now() - startedMs;
  say(`${totals.histories} seeds, ${failures.length} failed, ${rate()} seeds/s with ${processes} processes`);
  for (const line of totals.lines()) say(line);
  if (withReport) await reportExploration({ from, processes, tookMs, totals, failures });
  return failures.length === 0;
};

if (process.env['CF_SIMULATION_CHILD'] === undefined) {
  const { seed, from = '1', seeds = '10000', processes = String(availableParallelism()), report = false } = values;
  const ok = seed === undefined ? await explore(Number(from), Number(seeds), Number(processes), report) : await replay(Number(seed));
  process.exitCode = ok ? 0 : 1;
} else {
  process.on('message', (batch: Batch) => void runBatch(batch).then((result) => process.send?.(result)));
}
