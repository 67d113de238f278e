/** What the documents on tokens and the audit log let people run. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ACCESS_TOKEN_PATTERN, accessTokenText } from '@cf/contract';

const root = join(import.meta.dirname, '..');
const document = readFileSync(join(root, 'docs/access-tokens.md'), 'utf8');
const block = (language: string): string => new RegExp('```' + language + '\\n([^]+?)\\n```').exec(document)?.[1] ?? '';

const token = accessTokenText('a1B2c3D4e5'.repeat(4));
const lookAlike = `${token.slice(0, -1)}${token.endsWith('0') ? '1' : '0'}`;
const leak = `TOKEN="${token}" other=${lookAlike} short=cf_abc_def`;

describe('docs/access-tokens.md', () => {
  it('has the expression by which tokens are read', () => {
    expect(block('regex')).toBe(`\\b${ACCESS_TOKEN_PATTERN.source.slice(1, -1)}\\b`);
    expect(leak.match(new RegExp(block('regex'), 'g'))).toEqual([token, lookAlike]);
  });

  it('has a check that finds tokens and passes look-alikes by', () => {
    const { stdout, error } = spawnSync('python3', ['-c', block('python')], { input: leak, encoding: 'utf8' });
    if (error !== undefined) return console.warn('skipped: there is no python3 to run the documented check with');
    expect(stdout).toBe(`${token}\n`);
  });
});

describe('tools/verify-audit-log.ts', () => {
  const chain = (details: object[]): string[] => {
    let previousHash = '0'.repeat(64);
    return details.map((entry, index) => {
      // Keys are in order here, so this is the canonical form.
      const text = JSON.stringify({ action: 'execution.retried', details: entry, sequence: index + 1 });
      const hash = createHash('sha256')
        .update(previousHash + text)
        .digest('hex');
      const line = JSON.stringify({ hash, previousHash, ...(JSON.parse(text) as object) });
      previousHash = hash;
      return line;
    });
  };
  const hashIn = (line: string | undefined): string => (JSON.parse(line ?? '{}') as { hash: string }).hash;
  const verify = (lines: string[], ...noted: string[]) => {
    const script = join(root, 'tools/verify-audit-log.ts');
    const { status, stdout } = spawnSync(process.execPath, [script, ...noted], {
      input: lines.map((line) => `${line}\n`).join(''),
      encoding: 'utf8',
    });
    return { status, stdout };
  };
  const lines = chain([{}, { name: 'ä"\\' }, { list: ['b', 'a'], n: 1.5 }]);

  it('finds a whole chain whole, and tells its head', () => {
    expect(verify(lines)).toEqual({ status: 0, stdout: `whole: 3 entries, head 3:${hashIn(lines[2])}\n` });
    expect(verify(lines, `2:${hashIn(lines[1])}`).status).toBe(0);
    expect(verify([]).status).toBe(0);
    expect(verify(lines, '2').status).toBe(2);
  });

  it.each([
    ['a changed entry', [lines[0]!, lines[1]!.replace('retried', 'deleted'), lines[2]!], [], 2],
    ['a missing entry', [lines[0]!, lines[2]!], [], 2],
    ['a missing beginning', lines.slice(1), [], 1],
    ['a line that is cut', [lines[0]!, lines[1]!.slice(0, 50)], [], 2],
    ['another chain than the one noted', chain([{}, {}, {}]), [`3:${hashIn(lines[2])}`], 3],
    ['an end that was cut off', lines.slice(0, 2), [`3:${hashIn(lines[2])}`], 3],
  ])('names the first entry that does not hold: %s', (_name, broken, noted, at) => {
    const { status, stdout } = verify(broken, ...noted);
    expect(stdout).toMatch(new RegExp(`^broken at ${at}: `));
    expect(status).toBe(1);
  });
});
