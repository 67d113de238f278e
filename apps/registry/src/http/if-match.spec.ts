import { describe, expect, it } from '@jest/globals';
import { Problem } from '@cf/service-kit';
import { parseIfMatch } from './if-match.js';

const statusOf = (header: string | undefined, version: number, need: 'required' | 'optional' = 'required'): number => {
  try {
    parseIfMatch(header, need)(version);
    return 200;
  } catch (error) {
    return error instanceof Problem ? error.status : 500;
  }
};

describe('If-Match', () => {
  it.each([
    ['"3"', 200],
    ['*', 200],
    [' * ', 200],
    ['"1", "3"', 200],
    ['W/"1" ,"3"', 200],
    ['"2"', 412],
    ['"33"', 412],
    ['""', 412],
    ['W/"3"', 412],
    ['3', 400],
    ['', 400],
    ['"3', 400],
    ['"3",', 400],
    ['*, "3"', 400],
    [undefined, 428],
  ])('%j against version 3 is %d', (header, status) => {
    expect(statusOf(header, 3)).toBe(status);
  });

  it('may be left out where it is optional', () => {
    expect(statusOf(undefined, 3, 'optional')).toBe(200);
    expect(statusOf('"2"', 3, 'optional')).toBe(412);
  });
});
