import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Facts } from './check-calls.ts';

export type FactFile = keyof Facts;

/** A run is a folder of plain files, one JSON value a line. */
export const factFile = (folder: string, name: FactFile): string => join(folder, `${name}.jsonl`);

export const addFacts = (folder: string, name: FactFile, facts: readonly unknown[]): void =>
  appendFileSync(factFile(folder, name), facts.map((fact) => `${JSON.stringify(fact)}\n`).join(''));

const readLines = (path: string): unknown[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);

export const readFacts = (folder: string): Facts => {
  const names: FactFile[] = ['sent', 'accepted', 'calls', 'executions', 'faults'];
  return Object.fromEntries(names.map((name) => [name, readLines(factFile(folder, name))])) as unknown as Facts;
};
