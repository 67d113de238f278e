/**
 * Plants each bug of `patches/` in a copy of the sources and runs the suite that has to catch it, the cheapest part first: the models,
 * the scripted histories, the simulation. Fails when one gets through, no longer applies, or only breaks the code or the runner.
 * `npm run planted-bugs -- lost-wake` plants those whose name holds the word; all of them are told in docs/reports/planted-bugs.md.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { findNode } from '../run/launch.mjs';
import { root } from '../run/root.mjs';
import { isCaught, judge } from './judge.mjs';
import { reportBugs } from './report.mjs';

const STAGES = [
  ['models', 'libs/messaging/src/consumer'],
  ['scripted histories', 'libs/messaging/test/(parallel-consumer|suspects|slow-functions|what-went-wrong-elsewhere)\\.'],
  ['simulation', 'libs/messaging/test/simulation\\.'],
];
/** A bug may make a part of the suite wait for what never comes; without one each takes seconds. */
const TIMEOUT_MS = 120_000;

/** The project's own, without what needs services or prints. Jest's own JSON tells of values too, which may be circles. */
const CONFIG = `import project from ${JSON.stringify(pathToFileURL(join(root, 'jest.config.mjs')).href)};
const { globalSetup, globalTeardown, ...rest } = project;
export default { ...rest, reporters: [${JSON.stringify(join(root, 'tools/planted-bugs/failures-reporter.mjs'))}] };
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
  const { error } = spawnSync(findNode(), [...flags, jest, '--forceExit', '--runInBand', specs], {
    cwd: copy,
    stdio: 'ignore',
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
    env: { ...process.env, CF_TEST_NO_KAFKA: '1', CF_FAILURES_FILE: output },
  });
  return { timedOut: error?.code === 'ETIMEDOUT', results: readResults(output) };
};

const readResults = (output) => {
  try {
    return JSON.parse(readFileSync(output, 'utf8'));
  } catch {
    return null;
  }
};

/** @returns what came of it: where it was caught and by which tests, `MISSED`, or why the bug proves nothing. */
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
      const { outcome, tests } = judge(runStage(copy, specs));
      if (outcome !== 'MISSED') return { outcome, stage, tests };
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
    say(`without a bug the suite is not sound, ${sound.stage}: ${sound.outcome} ${sound.tests.join('; ')}`);
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
  const caught = bugs.filter(({ outcome }) => isCaught(outcome)).length;
  say(`${caught} of ${bugs.length} planted bugs caught`);
  if (words.length === 0) await reportBugs(bugs, new Date(startedAt), Date.now() - startedAt);
  return caught === bugs.length && caught > 0 ? 0 : 1;
};
