import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runChecks } from './checks.mjs';
import { findNode } from './launch.mjs';
import { run } from './run-program.mjs';

const JEST = [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  '--disable-warning=TimeoutNegativeWarning',
  'node_modules/jest/bin/jest.js',
];

/** Without arguments all checks and all specs, with arguments what Jest makes of them. The last line sums up. */
export const runTests = async (args) => {
  const checks = args.length === 0 ? await runChecks() : { passed: 0, failed: 0, interrupted: false };
  const specs = checks.interrupted ? { passed: 0, failed: 0, skipped: 0 } : await runSpecs(args);
  const failed = checks.failed + specs.failed;
  process.stdout.write(`${checks.passed + specs.passed} passed, ${failed} failed, ${specs.skipped} skipped\n`);
  return failed === 0 ? 0 : 1;
};

const runSpecs = async (args) => {
  const folder = mkdtempSync(join(tmpdir(), 'cf-test-counts-'));
  const countsFile = join(folder, 'counts.json');
  const code = await run(findNode(), [...JEST, ...args], { env: { ...process.env, NODE_ENV: 'test', CF_TEST_COUNTS_FILE: countsFile } });
  const counts = readCounts(countsFile) ?? { passed: 0, failed: 0, skipped: 0 };
  rmSync(folder, { recursive: true, force: true });
  // A run can fail without a failed spec: an interruption, a coverage bound, a service that all specs need.
  return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
};

const readCounts = (file) => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
};
