import { linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { root } from './root.mjs';

const folder = join(root, '.run');
const path = join(folder, 'lock');
/** Breaking a stale lock takes two file operations; a breaker that is older died between them. */
const BREAKER_MAX_AGE_MS = 10_000;

/** Runs `work` while no other process of this checkout installs or builds. The lock of a process that died is broken. */
export const withLock = async (work) => {
  mkdirSync(folder, { recursive: true });
  const me = `${process.pid} ${startOf(process.pid)}`;
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, me);
  try {
    await take(draft);
  } finally {
    rmSync(draft, { force: true });
  }
  const release = () => {
    if (contents(path) === me) rmSync(path, { force: true });
  };
  process.once('exit', release);
  try {
    return await work();
  } finally {
    release();
    process.removeListener('exit', release);
  }
};

const take = async (draft) => {
  for (let waited = false; !link(draft, path); await setTimeout(100)) {
    const holder = contents(path);
    if (holder === undefined) continue;
    if (!isHeld(holder)) breakLock(holder);
    else if (!waited) {
      process.stderr.write(`Process ${holder.split(' ')[0]} is installing or building here; waiting for it …\n`);
      waited = true;
    }
  }
};

/** Of several that see the same stale lock only the one that makes the breaker may remove it, so nobody removes a fresh lock. */
const breakLock = (holder) => {
  const breaker = `${path}.broken.${holder.replaceAll(/\W/g, '-')}`;
  try {
    writeFileSync(breaker, '', { flag: 'wx' });
  } catch {
    const made = statSync(breaker, { throwIfNoEntry: false });
    if (made && Date.now() - made.mtimeMs > BREAKER_MAX_AGE_MS) rmSync(breaker, { force: true });
    return;
  }
  if (contents(path) === holder) rmSync(path, { force: true });
  rmSync(breaker, { force: true });
};

const link = (from, to) => {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
};

const contents = (file) => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
};

const isHeld = (holder) => {
  const [pid, startedAt] = holder.split(' ');
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if (error.code !== 'EPERM') return false;
  }
  return startOf(pid) === startedAt;
};

/** Ids of processes are used again; with its start time one is unique. Empty where there is no /proc. */
const startOf = (pid) => {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop().split(' ')[19];
  } catch {
    return '';
  }
};
