import { chownSync, lstatSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface SystemUser {
  readonly uid: number;
  readonly gid: number;
}

/** The kernel's overflow user, `nobody` wherever it has a name. */
const NOBODY: SystemUser = { uid: 65_534, gid: 65_534 };

/**
 * Postgres refuses to run as root. Started as root it runs as the owner of an existing data folder, else as `postgres`, else as `nobody`;
 * undefined means the user of this process.
 */
export const postgresUser = (folder: string): SystemUser | undefined => {
  const owner = ownerOf(folder);
  if (process.getuid?.() === 0) return owner && owner.uid !== 0 ? owner : (named('postgres') ?? named('nobody') ?? NOBODY);
  if (owner && owner.uid !== process.getuid?.()) {
    throw new Error(`${folder} belongs to user ${owner.uid}: start as that user or as root, or choose another DATA_DIR`);
  }
  return undefined;
};

/** Gives a folder and all in it to the user that Postgres runs as. */
export const give = (path: string, user: SystemUser | undefined): void => {
  if (!user) return;
  const found = lstatSync(path);
  if (found.isDirectory()) for (const name of readdirSync(path)) give(join(path, name), user);
  if (!found.isSymbolicLink() && found.uid !== user.uid) chownSync(path, user.uid, user.gid);
};

const ownerOf = (folder: string): SystemUser | undefined => statSync(folder, { throwIfNoEntry: false });

const named = (name: string): SystemUser | undefined => {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid && gid ? { uid: Number(uid), gid: Number(gid) } : undefined;
};
