import { describe, expect, it } from '@jest/globals';
import { failureLevel, heldLevel } from './notice-failures.js';
import { addTallies, bucketMsOf, durationClass, emptyTally, percentileMs, type Tally } from './tally.js';

const durationsOf = (values: readonly number[]): Tally['durations'] =>
  values.reduce<Tally>((sum, ms) => addTallies(sum, { ...emptyTally, durations: { [durationClass(ms)]: 1 } }), emptyTally).durations;

describe('a tally', () => {
  it('adds up in any order', () => {
    const a = { ...emptyTally, calls: 2, failureReasons: { timeout: 1 }, durations: { 5: 2 } };
    const b = { ...emptyTally, calls: 1, failureReasons: { timeout: 2, dns: 1 }, durations: { 5: 1, 9: 1 } };
    expect(addTallies(a, b)).toEqual(addTallies(b, a));
    expect(addTallies(a, b)).toMatchObject({ calls: 3, failureReasons: { timeout: 3, dns: 1 }, durations: { 5: 3, 9: 1 } });
  });

  it.each([0.5, 0.95, 0.99])('knows percentile %s of any durations to within 4.5 %%', (share) => {
    const values = Array.from({ length: 5_000 }, (_, index) => 1 + 29_999 * (index / 5_000) ** 4).toSorted((a, b) => a - b);
    const exact = values[Math.ceil(values.length * share) - 1]!;
    const told = percentileMs(durationsOf(values), share)!;
    expect(Math.abs(told - exact) / exact).toBeLessThan(0.046);
  });

  it('has no percentile of nothing, and a class for every duration', () => {
    expect(percentileMs({}, 0.5)).toBeNull();
    expect([0, 0.3, 1].map(durationClass)).toEqual([0, 0, 0]);
    expect(durationClass(30_000)).toBe(119);
  });

  it('lies in five minutes of UTC', () => {
    expect(bucketMsOf(Date.parse('2026-01-01T00:14:59.999Z'))).toBe(Date.parse('2026-01-01T00:10:00.000Z'));
  });
});

describe('the level of failure', () => {
  it.each([
    [19, 19, null],
    [20, 9, 0],
    [20, 10, 50],
    [100, 69, 50],
    [100, 70, 70],
    [100, 99, 90],
    [100, 100, 100],
  ])('of %d calls with %d failed is %p', (calls, failedCalls, level) => expect(failureLevel({ calls, failedCalls })).toBe(level));
});

describe('a level of failure that was reached', () => {
  const reached = (at: string) => ({ level: 90, reachedAt: new Date(at) });
  const fromMs = Date.parse('2026-01-01T00:05:00Z');

  it('holds to the end of its window', () => {
    expect(heldLevel(reached('2026-01-01T00:05:00Z'), fromMs)).toBe(90);
    expect(heldLevel(reached('2026-01-01T00:00:00Z'), fromMs)).toBe(0);
    expect(heldLevel(undefined, fromMs)).toBe(0);
  });
});
