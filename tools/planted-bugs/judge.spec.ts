import { describe, expect, it } from '@jest/globals';
import { judge } from './judge.mjs';

const results = { tests: 2, brokenSpecs: 0, failed: [] };

describe('a planted bug', () => {
  it('is caught by the tests that fail, or when the suite does not end', () => {
    expect(judge({ timedOut: false, results: { ...results, failed: ['one'] } })).toEqual({ outcome: 'caught', tests: ['one'] });
    expect(judge({ timedOut: true, results: null })).toEqual({ outcome: 'did not end', tests: [] });
  });

  it('is not caught when nothing fails, when the runner crashes, or when a spec cannot run', () => {
    expect(judge({ timedOut: false, results }).outcome).toBe('MISSED');
    expect(judge({ timedOut: false, results: null }).outcome).toBe('CRASHES THE RUNNER');
    expect(judge({ timedOut: false, results: { ...results, brokenSpecs: 1 } }).outcome).toBe('BREAKS THE CODE');
    expect(judge({ timedOut: false, results: { ...results, tests: 0 } }).outcome).toBe('BREAKS THE CODE');
  });
});
