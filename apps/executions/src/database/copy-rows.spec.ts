import { describe, expect, it } from '@jest/globals';
import { copyLines, type CopyValue } from './copy-rows.js';

const lines = (...rows: CopyValue[][]): string => copyLines({ table: 't', columns: ['a', 'b'], values: (row: CopyValue[]) => row }, rows);

describe('copyLines', () => {
  it('writes a line for each row, null apart from text', () => {
    expect(lines([1, null], [true, '\\N'])).toBe('1\t\\N\ntrue\t\\\\N\n');
  });

  it('keeps rows and columns apart whatever the text holds', () => {
    expect(lines(['a\tb\nc\rd\\.', ''])).toBe('a\\tb\\nc\\rd\\\\.\t\n');
  });

  it('replaces NUL, which Postgres refuses', () => expect(lines(['a\0b', ''])).toBe('a\uFFFDb\t\n'));
});
