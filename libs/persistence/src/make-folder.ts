import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a folder and what lacks above it, for its owner only. `mkdirSync` with `recursive` never returns where a parent is there and
 * still answers ENOENT, as below /proc.
 */
export const makeFolder = (path: string): void => {
  if (existsSync(path)) return;
  const parent = dirname(path);
  if (parent !== path) makeFolder(parent);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Services that start at once make the same one.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
};
