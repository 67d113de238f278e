import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { deadLetter, failureReason, responseWarning, stepExecutionBody, stepRequests } from '@cf/contract';
import { platformSchema, SERVICE_PORTS } from '@cf/service-kit';

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** The codes in the first column of the table below a heading. */
const documented = (heading: string): string[] => {
  const section =
    read('docs/errors.md')
      .split(/^## /m)
      .find((text) => text.startsWith(heading)) ?? '';
  return [...section.matchAll(/^\| `([a-z_0-9]+)`/gm)].map(([, code]) => code ?? '');
};

const problemCodes = (): Map<string, string> => {
  const codes = new Map<string, string>();
  for (const path of globSync(['apps/*/src/**/*.ts', 'libs/*/src/**/*.ts'], { cwd: root })) {
    if (path.endsWith('.spec.ts')) continue;
    const text = read(path);
    const listed = path.endsWith('problem.filter.ts') ? [...text.matchAll(/(\d{3}): '([a-z_0-9]+)'/g)] : [];
    for (const [, status = '', code = ''] of [...text.matchAll(/new Problem\(\s*(\d{3}),\s*'([a-z_0-9]+)'/g), ...listed])
      codes.set(code, status);
  }
  for (const path of ['retries/check-retry.ts', 'cancellations/check-cancellation.ts']) {
    const [, refusals = ''] = /type \w+Refusal =([^;]+);/.exec(read(`apps/executions/src/${path}`)) ?? [];
    for (const [, code = ''] of refusals.matchAll(/'([a-z_0-9]+)'/g)) codes.set(code, '409');
  }
  return codes;
};

describe('docs/errors.md', () => {
  it('lists exactly the problem codes of the HTTP API, with their status', () => {
    const codes = problemCodes();
    expect(codes.size).toBeGreaterThan(30);
    expect(documented('HTTP problems').toSorted()).toEqual([...codes.keys()].toSorted());
    for (const [code, status] of codes) expect(read('docs/errors.md')).toMatch(new RegExp(`^\\| \`${code}\` +\\| ${status} +\\|`, 'm'));
  });

  it.each([
    ['Failure reasons', failureReason.options],
    ['Warnings', responseWarning.options],
    ['Dead letters', deadLetter.shape.reason.options],
  ])('lists exactly the closed vocabulary: %s', (heading, words) => {
    expect(documented(heading).toSorted()).toEqual([...words].toSorted());
  });
});

describe('README.md', () => {
  const readme = read('README.md');
  const section = (heading: string): string => readme.split(/^## /m).find((text) => text.startsWith(heading)) ?? '';
  const firstCells = (text: string): string[] => [...text.matchAll(/^\| +(`[^|]+)\|/gm)].map(([, cell]) => cell ?? '');

  it('lists exactly the settings that every process reads', () => {
    const named = firstCells(section('Settings')).flatMap((cell) => [...cell.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name));
    expect(named.toSorted()).toEqual(Object.keys(platformSchema.shape).toSorted());
  });

  it('lists exactly the services with their ports', () => {
    const rows = [...section('Services').matchAll(/^\| `([a-z-]+)` +\|[^|]+\| (\d+) +\|/gm)].map(([, name, port]) => [name, Number(port)]);
    expect(Object.fromEntries(rows)).toEqual(SERVICE_PORTS);
  });

  it('shows the body that an endpoint gets', () => {
    const [, example = ''] = /```json\n([^]+?)```/.exec(section('What an endpoint sees')) ?? [];
    expect(JSON.stringify(JSON.parse(example))).toBe(stepExecutionBody(stepRequests.example));
  });

  it.each(['README.md', 'CONTRIBUTING.md', 'deploy/README.md'])('%s names only commands that exist', (document) => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...read(document).matchAll(/`?npm (?:run )?(start|test|[a-z-]+)/g)].map(([, script]) => script ?? '');
    expect(named.length).toBeGreaterThan(0);
    expect(Object.keys(scripts)).toEqual(expect.arrayContaining(named));
  });
});
