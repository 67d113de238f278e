import { findNode } from './launch.mjs';
import { run } from './run-program.mjs';

const checks = [
  ['format', ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level=warn', '.']],
  ['types', ['node_modules/typescript7/bin/tsc', '--noEmit', '-p', 'tsconfig.check.json']],
  ['lint', ['tools/lint/lint.mjs']],
  ['boundaries', ['tools/lint/boundaries.canary.mjs']],
];

/** Everything that is asked of the text of the code; resolves to how many checks passed and failed, and whether a signal broke them off. */
export const runChecks = async () => {
  const node = findNode();
  const counts = { passed: 0, failed: 0, interrupted: false };
  for (const [name, args] of checks) {
    const startedAt = Date.now();
    const code = await run(node, args);
    process.stdout.write(`${code === 0 ? 'ok    ' : 'FAILED'} ${name} (${((Date.now() - startedAt) / 1000).toFixed(1)} s)\n`);
    counts[code === 0 ? 'passed' : 'failed'] += 1;
    counts.interrupted = code > 128;
    if (counts.interrupted) break;
  }
  return counts;
};
