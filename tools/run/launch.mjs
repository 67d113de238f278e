import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './root.mjs';
import { run } from './run-program.mjs';

const NODE_MAJOR = 22;

/** The Node that npm installed, else this one. Node 20 is enough for what is built, and said to be old. */
export const findNode = () => {
  const installed = join(root, `node_modules/node-${process.platform}-${process.arch}/bin/node`);
  if (existsSync(installed) && spawnSync(installed, ['--version']).status === 0) return installed;
  if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR) {
    process.stderr.write(`Node 24 comes through npm for Linux only; running on Node ${process.versions.node}, better install Node 24\n`);
  }
  return process.execPath;
};

export const NODE_FLAGS = [
  '--enable-source-maps',
  // kafkajs sets timers in the past; harmless.
  '--disable-warning=TimeoutNegativeWarning',
  // MiB, of 16: what a call leaves behind dies before the young heap is looked through, a tenth of an invoker's time.
  '--max-semi-space-size=64',
];

/**
 * Runs one of our programs. `CF_LAUNCHED=1` tells it that the IPC channel to this launcher is there only to be lost:
 * 'disconnect' means that the launcher was killed, and the program ends as by SIGTERM.
 */
export const launch = (script, args, flags = []) => {
  const fromSource = script.endsWith('.ts') ? ['--import', './tools/from-source.mjs', '--conditions=@cf/source'] : [];
  return run(findNode(), [...NODE_FLAGS, ...flags, ...fromSource, script, ...args], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: {
      ...process.env,
      CF_LAUNCHED: '1',
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, 'node_modules/.cache/compile'),
    },
  });
};
