import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface DocumentedProblem {
  readonly status: number;
  readonly when: string;
}

/** The problem codes of docs/errors.md, which a test holds to the code. */
export const readProblems = (root: string): ReadonlyMap<string, DocumentedProblem> => {
  const [, section = ''] = readFileSync(join(root, 'docs/errors.md'), 'utf8').split(/^## /m);
  const rows = section.matchAll(/^\| `([a-z_0-9]+)` +\| (\d{3}) +\| (.+?) +\|$/gm);
  return new Map([...rows].map(([, code = '', status, when = '']) => [code, { status: Number(status), when }]));
};
