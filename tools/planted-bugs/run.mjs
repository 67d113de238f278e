/**
 * Plants each bug of `patches/` in a copy of the sources and runs the suite that has to catch it: the models, the scripted histories and
 * the simulation. Fails when one gets through. `npm run planted-bugs -- lost-wake` plants those whose name holds the word.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { findNode } from '../run/launch.mjs';
import { root } from '../run/root.mjs';

const SUITE = ['libs/messaging/src/consumer', 'libs/messaging/test/(parallel-consumer|what-went-wrong-elsewhere|simulation)\\.'];
/** A bug may make the suite wait for what never comes. */
const TIMEOUT_MS = 300_000;

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

const runSuite = (copy) => {
  const output = join(copy, 'results.json');
  const jest = join(root, 'node_modules/jest/bin/jest.js');
  const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  const own = ['--json', `--outputFile=${output}`, '--forceExit'];
  spawnSync(findNode(), [...flags, jest, ...own, ...SUITE], {
    cwd: copy,
    stdio: 'ignore',
    timeout: TIMEOUT_MS,
    env: { ...process.env, CF_TEST_NO_KAFKA: '1' },
  });
  try {
    return JSON.parse(readFileSync(output, 'utf8'));
  } catch {
    return null;
  }
};

const caughtBy = (results) =>
  results.testResults.flatMap(({ assertionResults, status, message }) => {
    const failed = assertionResults.filter((each) => each.status === 'failed').map(({ fullName }) => fullName);
    return failed.length === 0 && status === 'failed' ? [message.split('\n')[0]] : failed;
  });

const plant = (name) => {
  const copy = copySources();
  try {
    if (name !== null) {
      const applied = spawnSync('git', ['apply', join(patches, name)], {
        cwd: copy,
        encoding: 'utf8',
        env: { ...process.env, GIT_CEILING_DIRECTORIES: tmpdir() },
      });
      if (applied.status !== 0) throw new Error(`${name} does not apply: ${applied.stderr}`);
    }
    const results = runSuite(copy);
    return results === null ? ['the suite did not end'] : caughtBy(results);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
};

const say = (text) => process.stdout.write(`${text}\n`);

export const plantBugs = (args) => {
  const sound = plant(null);
  if (sound.length > 0) {
    say(`the suite fails without a bug: ${sound.join('; ')}`);
    return 1;
  }
  const names = readdirSync(patches).filter((name) => args.every((word) => name.includes(word)));
  let missed = 0;
  for (const name of names) {
    const tests = plant(name);
    if (tests.length === 0) missed++;
    const more = tests.length > 1 ? ` and ${tests.length - 1} more` : '';
    say(`${tests.length === 0 ? 'MISSED' : 'caught'}  ${name.replace('.patch', '').padEnd(42)} ${tests[0] ?? ''}${more}`);
  }
  say(`${names.length - missed} of ${names.length} planted bugs caught`);
  return missed === 0 ? 0 : 1;
};
