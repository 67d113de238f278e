/** Results of all parts, each of its latest run: parts are run one by one, and one file tells of all of them. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { root } from './candidate.ts';

const file = join(root, '.bench/results.json');

export interface PartResult {
  readonly at: string;
  readonly tookSeconds: number;
  readonly machine: string;
  readonly rounds: number;
  readonly result: unknown;
}

export const readResults = (): Record<string, PartResult> =>
  existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, PartResult>) : {};

const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;

export const keepResult = (part: string, rounds: number, startedAtMs: number, result: unknown): void => {
  const tookSeconds = Math.round((Date.now() - startedAtMs) / 1_000);
  const all = { ...readResults(), [part]: { at: new Date().toISOString(), tookSeconds, machine, rounds, result } satisfies PartResult };
  mkdirSync(join(root, '.bench'), { recursive: true });
  writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`);
};
