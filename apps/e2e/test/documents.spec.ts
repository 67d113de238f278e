/** What the documents say that can be held against the code. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { flows, stepExecutionBody, stepRequests, stepResult } from '@cf/contract';
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
  it('lists every setting of the platform and no other', () => {
    const listed = table('environment').flatMap(([names]) => codeIn(names));
    expect(listed.toSorted()).toEqual(Object.keys(platformSchema.shape).toSorted());
  });

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

  it('lists every service of the flow with its port', () => {
    const services = table('service').map(([name, , port]) => [codeIn(name)[0], Number(port)]);
    expect(Object.fromEntries(services)).toEqual(SERVICE_PORTS);
    const inFlow = new Set(flows.flatMap(({ producers, consumers, readers }) => [...producers, ...consumers, ...readers]));
    for (const name of Object.keys(SERVICE_PORTS)) expect([...inFlow]).toContain(name);
  });

  it('shows the body of a step with the keys that an endpoint gets, in their order', () => {
    const shown = JSON.parse(/```json\n([^]*?)```/.exec(readme)?.[1] ?? '') as object;
    expect(Object.keys(shown)).toEqual(Object.keys(JSON.parse(stepExecutionBody(stepRequests.example)) as object));
  });

  it('shows a step result as the contract has it', () => {
    const shown = JSON.parse(/^\{"requestId":.*"completedAt":.*\}$/m.exec(readme)?.[0] ?? '') as object;
    expect(Object.keys(stepResult.parse(shown))).toEqual(Object.keys(shown));
  });
});

describe.each(['README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md', 'deploy/README.md', 'docker-compose.yml'])('%s', (path) => {
  const text = read(path);

  it('names only commands that there are', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...text.matchAll(/npm (?:run )?(start|test|(?<=run )[a-z-]+)/g)].map(([, script]) => script ?? '');
    for (const script of named) expect(Object.keys(scripts)).toContain(script);
  });

  it('names only services and files that there are', () => {
    for (const [, names = ''] of text.matchAll(/npm run service <?([a-z|-]+[a-z])>?/g)) {
      for (const name of names.split('|').filter((found) => found !== 'name')) expect(Object.keys(SERVICE_PORTS)).toContain(name);
    }
    const files = codeIn(text).filter((code) => /^[\w-]+(\.md|\.yml|\/[\w./-]+)$/.test(code));
    for (const file of files) expect([file, existsSync(join(root, file))]).toEqual([file, true]);
  });
});
