import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Candidate } from './candidate.ts';
import { median, round } from './figures.ts';

const GOAL_MS = 5_000;

/** Time from process start to ready of the standalone on a data folder that exists; the first start makes it and is shown beside. */
export const measureSecondStart = async (rounds: number): Promise<object> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'cf-bench-start-'));
  const start = async (): Promise<number> => {
    const startedAt = performance.now();
    const program = Candidate.run('apps/standalone/dist/main.js', {
      NODE_ENV: 'test',
      PORT: '0',
      DATA_DIR: dataDir,
      OPERATOR_TOKEN: 'bench-operator-token-0123456789',
      LOG_LEVEL: 'error',
    });
    await program.ready;
    const readyMs = performance.now() - startedAt;
    await program.stop();
    return round(readyMs, 0);
  };
  const firstMs = await start();
  const laterMs: number[] = [];
  for (let index = 0; index < rounds; index++) laterMs.push(await start());
  rmSync(dataDir, { recursive: true, force: true });
  process.stdout.write(`  first start ${firstMs} ms, later starts ${laterMs.join(', ')} ms (goal ${GOAL_MS})\n`);
  return { firstMs, laterMs, medianMs: median(laterMs), goalMs: GOAL_MS };
};
