import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';

/** How often a launcher looks whether its own npm is still there. */
const PARENT_CHECK_EVERY_MS = 1_000;

/**
 * Runs a program to its end and resolves to its exit code. SIGTERM, SIGINT and SIGHUP are passed on, each once, however often they come:
 * a second one must not shorten a drain. When npm was killed under this process, the program is asked to end as by SIGTERM.
 */
export const run = (program, args, options = {}) =>
  new Promise((resolve) => {
    const child = spawn(program, args, { stdio: 'inherit', ...options });
    const passed = new Set();
    const pass = (signal) => {
      if (passed.has(signal)) return;
      passed.add(signal);
      child.kill(signal);
    };
    const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'];
    for (const signal of signals) process.on(signal, pass);

    const npm = findNpm();
    const watch = npm && setInterval(() => findNpm() !== npm && pass('SIGTERM'), PARENT_CHECK_EVERY_MS).unref();

    const end = (code) => {
      clearInterval(watch);
      for (const signal of signals) process.removeListener(signal, pass);
      resolve(code);
    };
    child.once('error', (error) => {
      process.stderr.write(`${program} cannot be run: ${error.message}\n`);
      end(127);
    });
    child.once('exit', (code, signal) => end(code ?? 128 + constants.signals[signal]));
  });

/** The process id of the npm that started this one, itself or through a shell; 0 without npm. After its death another id adopts its child. */
const findNpm = () => {
  if (!process.env.npm_lifecycle_event) return 0;
  try {
    const [name, parent] = /\((.*)\) \S+ (\d+)/.exec(readFileSync(`/proc/${process.ppid}/stat`, 'utf8')).slice(1);
    return /^(sh|dash|bash|ash|zsh)$/.test(name) ? Number(parent) : process.ppid;
  } catch {
    return process.ppid;
  }
};
