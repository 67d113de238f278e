/** What the documents say beyond lists of names (`tools/docs.spec.ts`). */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { stepResult } from '@cf/contract';
import { platformSchema, SERVICE_PORTS } from '@cf/service-kit';

const root = join(import.meta.dirname, '../../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const readme = read('README.md');

const cells = (row: string): string[] =>
  row
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
const table = (firstHeading: string): string[][] => {
  const start = readme.search(new RegExp(`^\\| ${firstHeading} +\\|`, 'm'));
  expect(start).toBeGreaterThan(0);
  return (readme.slice(start).split('\n\n')[0] ?? '').trimEnd().split('\n').slice(2).map(cells);
};
const codeIn = (text = ''): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code ?? '');

describe('the README', () => {
  it('tells the defaults that the settings have', () => {
    const defaults: Readonly<Record<string, unknown>> = platformSchema.parse({});
    const told = table('environment').flatMap(([names, values = '']) => {
      const settings = codeIn(names);
      const each = values.replaceAll('`', '').split(' / ');
      return settings.map((name, place) => [name, each[place] ?? each[0]] as const);
    });
    const plain = told.filter(([name]) => ['string', 'number', 'boolean'].includes(typeof defaults[name]) && defaults[name] !== '');
    expect(Object.fromEntries(plain)).toEqual(Object.fromEntries(plain.map(([name]) => [name, String(defaults[name])])));
    expect(plain.length).toBeGreaterThanOrEqual(8);
  });

  it('shows a step result as the contract has it', () => {
    const shown = JSON.parse(/^\{"requestId":.*"completedAt":.*\}$/m.exec(readme)?.[0] ?? '') as object;
    expect(Object.keys(stepResult.parse(shown))).toEqual(Object.keys(shown));
  });
});

describe.each(['README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md', 'deploy/README.md', 'docker-compose.yml'])('%s', (path) => {
  const text = read(path);

  it('names only services and files that there are', () => {
    for (const [, names = ''] of text.matchAll(/npm run service <?([a-z|-]+[a-z])>?/g)) {
      for (const name of names.split('|').filter((found) => found !== 'name')) expect(Object.keys(SERVICE_PORTS)).toContain(name);
    }
    const files = codeIn(text).filter((code) => /^[\w-]+(\.md|\.yml|\/[\w./-]+)$/.test(code));
    for (const file of files) expect([file, existsSync(join(root, file))]).toEqual([file, true]);
  });
});
