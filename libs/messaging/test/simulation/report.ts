import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { writeReport } from '../../../../tools/write-report.mjs';
import type { Totals } from './totals.js';

const root = join(import.meta.dirname, '../../../..');

const git = (...args: readonly string[]): string => spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout.trim();

const commit = (): string =>
  git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--', 'libs/messaging') && ' with changes');

export interface Exploration {
  readonly from: number;
  readonly processes: number;
  readonly tookMs: number;
  readonly totals: Totals;
  readonly failures: readonly string[];
}

export const reportExploration = async ({ from, processes, tookMs, totals, failures }: Exploration): Promise<void> => {
  const { histories } = totals;
  const text = `# The engine in simulated histories

\`npm run simulate -- --from ${from} --seeds ${histories} --report\`, ${new Date().toISOString()}, on commit ${commit()}: ${histories} histories
in ${(tookMs / 60_000).toFixed(1)} minutes, ${processes} processes on ${availableParallelism()} cores, Node ${process.version}.

Each seed draws a cluster, its work and its faults, and runs the real consumer engine on virtual time; a referee that never looks into the
engine knows the promises (\`libs/messaging/test/simulation/referee.ts\`).

${failures.length === 0 ? '**No promise was broken.**' : `**${failures.length} histories broke a promise:**\n\n${failures.map((each) => `- ${each}`).join('\n')}`}

What happened in them, how often, and in what share of the histories at all:

| what | times | histories |
| ---- | ----: | --------: |
${totals
  .rows()
  .map(([what, times, share]) => `| ${what} | ${times} | ${share} |`)
  .join('\n')}
`;
  await writeReport('simulation', text);
};
