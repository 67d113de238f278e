import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { POSTGRES_ENVIRONMENT, folderArgument, isAlive } from './postmaster.js';
import { type SystemUser, give } from './system-user.js';

/** The superuser of an embedded Postgres; services log in as an ordinary role. */
export const ADMINISTRATOR = 'postgres';

/** The password of an embedded Postgres, made at its first start. It belongs to the user that Postgres runs as, readable for nobody else. */
export const readOrMakePassword = (path: string, user: SystemUser | undefined): string => {
  if (!existsSync(path)) {
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, randomBytes(24).toString('hex'), { mode: 0o600, flush: true });
    give(draft, user);
    try {
      linkSync(draft, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      rmSync(draft);
    }
  }
  return readFileSync(path, 'utf8').trim();
};

/**
 * Makes the cluster in a draft folder and renames it: an interrupted or doubled first start never leaves half a cluster behind.
 * Does nothing when it is there.
 */
export const initialise = (folder: string, initdb: string, passwordFile: string, user: SystemUser | undefined): void => {
  if (existsSync(join(folder, 'PG_VERSION'))) {
    if (user && statSync(folder).uid !== user.uid) give(folder, user);
    return;
  }
  removeAbandonedDrafts(folder);
  const draft = `${folder}.init-${process.pid}`;
  mkdirSync(draft, { mode: 0o700 });
  give(draft, user);
  give(passwordFile, user);
  const password = openSync(passwordFile, 'r');
  try {
    const flags = [
      '--auth=scram-sha-256',
      '--pwfile=/dev/fd/3',
      '--encoding=UTF8',
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
    ];
    const done = spawnSync(initdb, ['-D', folderArgument(draft), `--username=${ADMINISTRATOR}`, ...flags, '--no-instructions'], {
      cwd: draft,
      ...user,
      env: POSTGRES_ENVIRONMENT,
      stdio: ['ignore', 'ignore', 'pipe', password],
      encoding: 'utf8',
    });
    if (done.status !== 0)
      throw new Error(`initdb in ${draft} failed: ${done.error?.message ?? done.stderr.trim()}: mend that, or choose another DATA_DIR`);
    settle(draft, folder);
  } finally {
    closeSync(password);
    rmSync(draft, { recursive: true, force: true });
  }
};

const settle = (draft: string, folder: string): void => {
  chmodSync(draft, 0o700);
  try {
    renameSync(draft, folder);
  } catch (error) {
    if (existsSync(join(folder, 'PG_VERSION'))) return;
    throw new Error(`${folder} is there but holds no Postgres cluster: remove it, or choose another DATA_DIR`, { cause: error });
  }
  const parent = openSync(dirname(folder), 'r');
  fsyncSync(parent);
  closeSync(parent);
};

const removeAbandonedDrafts = (folder: string): void => {
  const prefix = `${basename(folder)}.init-`;
  for (const name of readdirSync(dirname(folder))) {
    if (name.startsWith(prefix) && !isAlive(Number(name.slice(prefix.length)))) rmSync(join(dirname(folder), name), { recursive: true });
  }
};
