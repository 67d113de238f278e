import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const VERSION = '4.32.5';
const PYTHON_MINOR_MIN = 10;
const INSTALL_MS_MAX = 180_000;

/** `isWanted`: there is a Python that could run it. */
export type Prepared = { readonly program: string } | { readonly missing: string; readonly isWanted: boolean };

const succeeds = (program: string, ...args: string[]): boolean =>
  spawnSync(program, args, { stdio: 'ignore', timeout: INSTALL_MS_MAX }).status === 0;

/**
 * The command `schemathesis` of an environment in the user's cache folder, made there at the first call. An environment knows its own path, so it
 * is made where it stays; a marker says that it is whole.
 */
export const prepareSchemathesis = (): Prepared => {
  if (!succeeds('python3', '-c', `import sys, venv; sys.exit(sys.version_info < (3, ${PYTHON_MINOR_MIN}))`)) {
    return { missing: `there is no python3 of 3.${PYTHON_MINOR_MIN} or newer with venv`, isWanted: false };
  }
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'cloud-functions');
  const folder = join(cache, `schemathesis-${VERSION}`);
  const program = join(folder, 'bin/schemathesis');
  const whole = join(folder, 'whole');
  if (existsSync(whole)) return { program };
  mkdirSync(cache, { recursive: true });
  rmSync(folder, { recursive: true, force: true });
  const made =
    succeeds('python3', '-m', 'venv', folder) &&
    succeeds(join(folder, 'bin/python'), '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `schemathesis==${VERSION}`) &&
    succeeds(program, '--version');
  if (!made) return { missing: 'it could not be installed', isWanted: true };
  mkdirSync(whole);
  return { program };
};
