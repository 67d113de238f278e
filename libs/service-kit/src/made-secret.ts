import { chmodSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isNativeError } from 'node:util/types';
import { makeFolder } from '@cf/persistence';
import { InvalidSettingsError } from './read-config.js';

/** A disk that is full tells no path. */
const FULL = new Set(['ENOSPC', 'EDQUOT']);

/** What an error in the data folder means for an operator: a folder that cannot be used is a wrong setting. */
export const describeDataDirError = (error: unknown): unknown =>
  isNativeError(error) && ((error as NodeJS.ErrnoException).path !== undefined || FULL.has((error as NodeJS.ErrnoException).code ?? ''))
    ? new InvalidSettingsError([{ name: 'DATA_DIR', detail: error.message }])
    : error;

/**
 * A secret that is made at the first start and kept in the data folder, readable by its owner only.
 * Services that start at once agree: the first complete file wins.
 */
export const madeSecret = (dataDir: string, name: string, make: () => string): string => {
  makeFolder(dataDir);
  const file = join(dataDir, name);
  const draft = `${file}.${process.pid}`;
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    writeFileSync(draft, `${make()}\n`, { mode: 0o600 });
    chmodSync(draft, 0o600);
    try {
      linkSync(draft, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      rmSync(draft, { force: true });
    }
    return readFileSync(file, 'utf8').trim();
  }
};
