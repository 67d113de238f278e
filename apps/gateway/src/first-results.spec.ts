import { describe, expect, it } from '@jest/globals';
import { FirstResults } from './first-results.js';

const textOf = (results: FirstResults, key: string, text: string, atMs: number): string =>
  results.firstOf(key, Buffer.from(text), atMs).toString();

describe('first results', () => {
  it('stay the result for as long as a request id is unique', () => {
    const results = new FirstResults(10);
    expect(textOf(results, 'a', 'first', 0)).toBe('first');
    expect(textOf(results, 'a', 'later', 599_999)).toBe('first');
    expect(textOf(results, 'a', 'another step', 600_000)).toBe('another step');
  });

  it('are remembered for the most recent request ids', () => {
    const results = new FirstResults(2);
    for (const key of ['a', 'b', 'c']) textOf(results, key, 'first', 0);
    expect([textOf(results, 'c', 'later', 1), textOf(results, 'a', 'later', 1)]).toEqual(['first', 'later']);
  });
});
