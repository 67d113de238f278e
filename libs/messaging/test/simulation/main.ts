/** `npm run simulate -- [--seeds N] [--from N] [--workers N]`: many histories; `--seed N`: one, with its trace. */
import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { simulate, type Figures } from './simulate.js';

const FAILURES_MAX = 20;
const BATCH = 500;

const number = { type: 'string' } as const;
const { values } = parseArgs({ options: { seeds: number, from: number, workers: number, seed: number } });

interface Batch {
  readonly from: number;
  readonly count: number;
}

interface BatchResult {
  readonly count: number;
  readonly failures: readonly string[];
  readonly figures: Record<string, number>;
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);

const add = (total: Record<string, number>, figures: Figures | Record<string, number>): void => {
  for (const [name, value] of Object.entries(figures)) total[name] = (total[name] ?? 0) + (value as number);
};

const runBatch = async ({ from, count }: Batch): Promise<BatchResult> => {
  const result = { count, failures: [] as string[], figures: {} };
  for (let seed = from; seed < from + count; seed++) {
    const { violations, figures } = await simulate(seed);
    add(result.figures, figures);
    if (violations.length > 0) result.failures.push(`seed ${seed}: ${violations[0]!}`);
  }
  return result;
};

const replay = async (seed: number): Promise<boolean> => {
  const { trace, violations, figures } = await simulate(seed, true);
  trace.forEach(say);
  say(JSON.stringify(figures));
  violations.forEach((violation) => say(`seed ${seed}: ${violation}`));
  return violations.length === 0;
};

const explore = async (from: number, seeds: number, workers: number): Promise<boolean> => {
  const startedMs = performance.now();
  const total: Record<string, number> = {};
  let [next, done, failed] = [from, 0, 0];
  const work = (child: ChildProcess): Promise<void> =>
    new Promise((resolve, reject) => {
      const give = (): void => {
        const count = Math.min(BATCH, from + seeds - next);
        if (count <= 0 || failed >= FAILURES_MAX) {
          child.disconnect();
          return resolve();
        }
        child.send({ from: next, count } satisfies Batch);
        next += count;
      };
      child.on('message', ({ count, failures, figures }: BatchResult) => {
        add(total, figures);
        failures.forEach(say);
        failed += failures.length;
        const before = done;
        done += count;
        if (Math.floor(done / 50_000) > Math.floor(before / 50_000)) say(`${done} seeds, ${failed} failed`);
        give();
      });
      child.on('error', reject);
      give();
    });
  await Promise.all(
    Array.from({ length: workers }, () => work(fork(process.argv[1]!, { env: { ...process.env, CF_SIMULATION_WORKER: '1' } }))),
  );
  const seconds = (performance.now() - startedMs) / 1_000;
  say(`${done} seeds, ${failed} failed, ${Math.round(done / seconds)} seeds/s with ${workers} workers; ${JSON.stringify(total)}`);
  if (failed > 0) say('tell one with: npm run simulate -- --seed N');
  return failed === 0;
};

if (process.env['CF_SIMULATION_WORKER'] === undefined) {
  const { seed, from = '1', seeds = '10000', workers = String(availableParallelism()) } = values;
  const ok = seed === undefined ? await explore(Number(from), Number(seeds), Number(workers)) : await replay(Number(seed));
  process.exitCode = ok ? 0 : 1;
} else {
  process.on('message', (batch: Batch) => void runBatch(batch).then((result) => process.send?.(result)));
}
