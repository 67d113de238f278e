import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { root } from './run/root.mjs';

const folder = join(root, 'docs/reports');

/** Writes docs/reports/`name`.md, formatted as every page is. */
export const writeReport = async (name, markdown) => {
  const page = join(folder, `${name}.md`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(page, await format(markdown, { ...(await resolveConfig(page)), parser: 'markdown' }));
};
