import { describe, expect, it } from '@jest/globals';
import { OncePerWindow } from './once-per-window.js';

describe('once per window', () => {
  it('lets the first of each kind through, again in the next window', () => {
    const once = new OncePerWindow(1_000, 10);
    expect([0, 1, 999].map((nowMs) => once.isFirst('a', nowMs))).toEqual([true, false, false]);
    expect(once.isFirst('b', 999)).toBe(true);
    expect([1_000, 1_001].map((nowMs) => once.isFirst('a', nowMs))).toEqual([true, false]);
  });

  it('is bounded', () => {
    const once = new OncePerWindow(1_000, 2);
    expect(['a', 'b', 'c'].map((key) => once.isFirst(key, 0))).toEqual([true, true, false]);
    expect(once.isFirst('c', 1_000)).toBe(true);
  });
});
