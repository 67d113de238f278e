/**
 * The one entry of every npm script. Needs nothing but Node 20 and npm: it installs and builds what is missing, then runs the real program
 * on the Node that npm installed. Does nothing of that when nothing changed.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { runChecks } from './run/checks.mjs';
import { launch } from './run/launch.mjs';
import { prepare } from './run/prepare.mjs';
import { runTests } from './run/test.mjs';
import { root } from './run/root.mjs';

// MiB: a heap that begins small is gone through every 0.7 s, and these 40 ms would be the p99 of what is measured.
const BENCH_FLAGS = ['--initial-old-space-size=1024'];

const commands = {
  start: (args) => launch('apps/standalone/dist/main.js', args),
  service: ([name, ...args]) => launch(`apps/${name}/dist/main.js`, args),
  test: (args) => runTests(args),
  documents: () => launch('tools/documents/publish.ts', []),
  bench: (args) => launch('bench/run.ts', args, BENCH_FLAGS),
  simulate: (args) => launch('libs/messaging/test/simulation/main.ts', args),
  chaos: (args) => launch('tools/chaos/main.ts', args),
  'planted-bugs': async (args) => (await import('./planted-bugs/run.mjs')).plantBugs(args),
  build: () => 0,
  check: async () => ((await runChecks()).failed === 0 ? 0 : 1),
};

const services = () =>
  readdirSync(join(root, 'apps')).filter((name) => {
    const tags = JSON.parse(readFileSync(join(root, 'apps', name, 'package.json'), 'utf8')).nx?.tags ?? [];
    return tags.includes('type:app');
  });

const refuse = (message) => {
  process.stderr.write(`${message}\n`);
  process.exit(2);
};

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) refuse(`Node ${process.versions.node} is too old: install Node 20.19 or newer`);

const [command = '', ...args] = process.argv.slice(2);
if (!Object.hasOwn(commands, command)) refuse(`usage: node tools/run.mjs ${Object.keys(commands).join(' | ')}`);
if (command === 'service' && !services().includes(args[0])) refuse(`usage: npm run service <${services().join(' | ')}>`);

process.chdir(root);
const unprepared = await prepare();
if (unprepared !== 0 && command === 'test') process.stdout.write('0 passed, 1 failed, 0 skipped\n');
process.exitCode = unprepared || (await commands[command](args));
