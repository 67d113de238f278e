import { spawn } from 'node:child_process';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { SystemUser } from './system-user.js';

/** Above every id that a kernel gives. */
const NO_PROCESS = 2 ** 30;

/** What Postgres says about itself in `postmaster.pid`. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  readonly ready: boolean;
}

export interface PostmasterOptions {
  readonly postgres: string;
  readonly folder: string;
  readonly user: SystemUser | undefined;
  readonly port: number;
  /** An open file: a pipe would die with this process, Postgres does not. */
  readonly log: number;
  readonly durable: boolean;
  readonly settings: Readonly<Record<string, string | number>>;
}

/**
 * Working folder = data folder, and the path given to Postgres names it without its parents, which its user may not be allowed to enter:
 * Node changes the folder before it drops root.
 */
export const folderArgument = (folder: string): string => (process.platform === 'linux' ? '/proc/self/cwd' : folder);

/** Nothing of our environment (keys, tokens) is handed to Postgres. */
export const POSTGRES_ENVIRONMENT = { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' };

const settings = (port: number, durable: boolean): Record<string, string | number> => ({
  listen_addresses: '127.0.0.1',
  port,
  // A socket path longer than 107 bytes stops the start, and a deep DATA_DIR makes one.
  unix_socket_directories: '',
  // Three services, an embedded log and two Jest workers with several pools of ten each.
  max_connections: 200,
  // A developer's machine: the hot tables fit, and the rest is left to the page cache.
  shared_buffers: '128MB',
  maintenance_work_mem: '64MB',
  // Half of the default: a checkpoint of a busy log is over sooner, and the folder stays below 1 GB.
  max_wal_size: '512MB',
  // Short transactions only; compiling a plan costs more than running it.
  jit: 'off',
  // Parallel workers talk through /dev/shm, of which containers give 64 MB: too little.
  max_parallel_workers_per_gather: 0,
  max_parallel_maintenance_workers: 0,
  log_checkpoints: 'off',
  fsync: durable ? 'on' : 'off',
  synchronous_commit: durable ? 'on' : 'off',
  full_page_writes: durable ? 'on' : 'off',
});

/**
 * Starts Postgres in a session of its own: a Ctrl-C meant for Node does not reach it, and it outlives a `kill -9` of Node.
 * `failed` has the error when it could not be executed at all.
 */
export const spawnPostmaster = (options: PostmasterOptions): { readonly pid: number; readonly failed: Promise<Error | undefined> } => {
  const flags = Object.entries({ ...settings(options.port, options.durable), ...options.settings }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]);
  const child = spawn(options.postgres, ['-D', folderArgument(options.folder), ...flags], {
    cwd: options.folder,
    ...options.user,
    env: POSTGRES_ENVIRONMENT,
    detached: true,
    stdio: ['ignore', options.log, options.log],
  });
  child.unref();
  const failed = new Promise<Error | undefined>((resolve) => child.once('error', resolve).once('exit', () => resolve(undefined)));
  return { pid: child.pid ?? NO_PROCESS, failed };
};

export const readPostmaster = (folder: string): Postmaster | undefined => {
  let lines: string[];
  try {
    lines = readFileSync(join(folder, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return undefined;
  }
  const [pid, , , port] = lines.map(Number);
  return pid ? { pid, port: port || 0, ready: lines[7]?.trim() === 'ready' } : undefined;
};

/** A process that ended but was not waited for by its parent still has an id; it counts as gone. */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return processState(pid) !== 'Z';
};

/** After a reboot, or in a container, the id in an old `postmaster.pid` may be another program's, and Postgres would refuse to start. */
export const forgetStalePostmaster = (folder: string): void => {
  const postmaster = readPostmaster(folder);
  if (!postmaster) return;
  const name = processStatus(postmaster.pid)?.match(/^Name:\s+(\S+)/m)?.[1];
  const stale = !isAlive(postmaster.pid) || (name !== undefined && name !== 'postgres') || worksIn(postmaster.pid, folder) === false;
  if (stale) rmSync(join(folder, 'postmaster.pid'), { force: true });
};

/**
 * Fast shutdown; then, should it not obey, an immediate one, after which the next start recovers from the log.
 * One that `answers` may take its time to write everything out; any other must surely work in this folder to be touched at all.
 */
export const stopPostmaster = async (pid: number, folder: string, answers: boolean): Promise<void> => {
  if (!answers && worksIn(pid, folder) !== true)
    throw new Error(`process ${pid} in ${folder}/postmaster.pid does not answer: stop it by hand`);
  const steps = [
    ['SIGINT', answers ? 20_000 : 3_000],
    ['SIGQUIT', 2_000],
    ['SIGKILL', 2_000],
  ] as const;
  for (const [signal, waitMs] of steps) {
    signalled(pid, signal);
    for (const giveUpAt = Date.now() + waitMs; Date.now() < giveUpAt; await setTimeout(20)) if (!isAlive(pid)) return;
  }
  throw new Error(`Postgres (process ${pid}) in ${folder} does not stop`);
};

const signalled = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
};

const processState = (pid: number): string | undefined => processStatus(pid)?.match(/^State:\s+(\S)/m)?.[1];

/** Undefined where it cannot be known: no /proc, or root without the right to look into others' processes. */
const worksIn = (pid: number, folder: string): boolean | undefined => {
  try {
    const [actual, expected] = [statSync(`/proc/${pid}/cwd`), statSync(folder)];
    return actual.dev === expected.dev && actual.ino === expected.ino;
  } catch {
    return undefined;
  }
};

/** Undefined where there is no /proc. */
const processStatus = (pid: number): string | undefined => {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return undefined;
  }
};
