import { describe, expect, it } from '@jest/globals';
import { SeenOffsets } from './seen-offsets.js';

describe('what was seen in a partition', () => {
  it('a record is a repetition of the same at a lower offset, not of itself', () => {
    const seen = new SeenOffsets(100, 60_000);
    expect(seen.isRepeated(0, 'a/0', 10)).toBe(false);
    expect(seen.isRepeated(0, 'a/0', 10)).toBe(false);
    expect(seen.isRepeated(0, 'a/0', 11)).toBe(true);
    expect(seen.isRepeated(0, 'a/0', 10)).toBe(false);
    expect(seen.isRepeated(0, 'a/1', 12)).toBe(false);
    expect(seen.isRepeated(1, 'a/0', 13)).toBe(false);
  });

  it('the lower offset wins, whichever was looked at first', () => {
    const seen = new SeenOffsets(100, 60_000);
    expect(seen.isRepeated(0, 'a/0', 20)).toBe(false);
    expect(seen.isRepeated(0, 'a/0', 10)).toBe(false);
    expect(seen.isRepeated(0, 'a/0', 20)).toBe(true);
  });

  it('a partition that went is forgotten', () => {
    const seen = new SeenOffsets(100, 60_000);
    seen.isRepeated(0, 'a/0', 10);
    seen.forget(0);
    expect(seen.isRepeated(0, 'a/0', 11)).toBe(false);
  });

  it('keeps the window and no more than twice of it', () => {
    const seen = new SeenOffsets(100, 60_000);
    for (let offset = 0; offset < 1_000; offset++) seen.isRepeated(0, `${offset}/0`, offset);
    expect(seen.isRepeated(0, '900/0', 1_000)).toBe(true);
    expect(seen.isRepeated(0, '799/0', 1_001)).toBe(false);
  });
});
