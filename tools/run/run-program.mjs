import { spawn } from 'node:child_process';
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

    const parent = process.ppid;
    const watch = process.env.npm_lifecycle_event
      ? setInterval(() => process.ppid !== parent && pass('SIGTERM'), PARENT_CHECK_EVERY_MS).unref()
      : undefined;

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
