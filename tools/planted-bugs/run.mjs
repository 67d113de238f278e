/**
 * Plants each bug of `patches/` in a copy of the sources and runs the suite that has to catch it, the cheapest part first: the models,
 * the scripted histories, the simulation. Fails when one gets through, no longer applies, or only breaks the code so that nothing runs.
 * `npm run planted-bugs -- lost-wake` plants those whose name holds the word; all of them are told in docs/reports/planted-bugs.md.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { findNode } from '../run/launch.mjs';
import { root } from '../run/root.mjs';
import { writeReport } from './report.mjs';

const STAGES = [
  ['models', 'libs/messaging/src/consumer'],
  ['scripted histories', 'libs/messaging/test/(parallel-consumer|what-went-wrong-elsewhere)\\.'],
  ['simulation', 'libs/messaging/test/simulation\\.'],
];
/** A bug may make a part of the suite wait for what never comes; without one each takes seconds. */
const TIMEOUT_MS = 120_000;

/** The project's own, without what needs services or prints. */
const CONFIG = `import project from ${JSON.stringify(pathToFileURL(join(root, 'jest.config.mjs')).href)};
const { globalSetup, globalTeardown, reporters, ...rest } = project;
export default rest;
`;

const patches = join(root, 'tools/planted-bugs/patches');

const copySources = () => {
  const copy = mkdtempSync(join(tmpdir(), 'cf-planted-bug-'));
  cpSync(join(root, 'libs/messaging/src'), join(copy, 'libs/messaging/src'), { recursive: true });
  cpSync(join(root, 'libs/messaging/test'), join(copy, 'libs/messaging/test'), { recursive: true });
  writeFileSync(join(copy, 'jest.config.mjs'), CONFIG);
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
};

const runStage = (copy, specs) => {
  const output = join(copy, 'results.json');
  rmSync(output, { force: true });
  const jest = join(root, 'node_modules/jest/bin/jest.js');
  const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  const own = ['--json', `--outputFile=${output}`, '--forceExit', '--runInBand'];
  spawnSync(findNode(), [...flags, jest, ...own, specs], {
    cwd: copy,
    stdio: 'ignore',
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
    env: { ...process.env, CF_TEST_NO_KAFKA: '1' },
  });
  try {
    return JSON.parse(readFileSync(output, 'utf8'));
  } catch {
    return null;
  }
};

/** The tests that failed; `isBroken` when a spec did not even run, which proves nothing. */
const judge = (results) => {
  if (results === null) return { isBroken: false, failed: ['the suite did not end'] };
  const failed = results.testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName),
  );
  return { isBroken: results.numTotalTests === 0 || results.numRuntimeErrorTestSuites > 0, failed };
};

/** @returns what came of it: `caught` (where, by which tests), `missed`, or why the bug could not be planted. */
const plant = (name) => {
  const copy = copySources();
  try {
    if (name !== null) {
      const applied = spawnSync('git', ['apply', join(patches, name)], {
        cwd: copy,
        encoding: 'utf8',
        env: { ...process.env, GIT_CEILING_DIRECTORIES: tmpdir() },
      });
      if (applied.status !== 0) return { outcome: 'DOES NOT APPLY', tests: [applied.stderr.trim().split('\n')[0]] };
    }
    for (const [stage, specs] of STAGES) {
      const { isBroken, failed } = judge(runStage(copy, specs));
      if (isBroken) return { outcome: 'BREAKS THE CODE', tests: [`${stage} could not run`] };
      if (failed.length > 0) return { outcome: 'caught', stage, tests: failed };
    }
    return { outcome: 'MISSED', tests: [] };
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
};

const say = (text) => process.stdout.write(`${text}\n`);

export const plantBugs = async (words) => {
  const startedAt = Date.now();
  const sound = plant(null);
  if (sound.outcome !== 'MISSED') {
    say(`the suite fails without a bug: ${sound.tests.join('; ')}`);
    return 1;
  }
  const names = readdirSync(patches).filter((name) => words.every((word) => name.includes(word)));
  const bugs = names.map((name) => {
    const [sentence] = readFileSync(join(patches, name), 'utf8').split('\n');
    const bug = { name: name.replace('.patch', ''), sentence, ...plant(name) };
    const more = bug.tests.length > 1 ? ` and ${bug.tests.length - 1} more` : '';
    say(`${bug.outcome}  ${bug.name.padEnd(42)} ${bug.tests[0] ?? ''}${more}`);
    return bug;
  });
  const caught = bugs.filter(({ outcome }) => outcome === 'caught').length;
  say(`${caught} of ${bugs.length} planted bugs caught`);
  if (words.length === 0) await writeReport(bugs, new Date(startedAt), Date.now() - startedAt);
  return caught === bugs.length && caught > 0 ? 0 : 1;
};
