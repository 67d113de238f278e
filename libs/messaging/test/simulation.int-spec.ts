/**
 * Real: the whole consumer engine. Simulated: time, the log, the group and what processes do in between (test/simulation). Each seed is
 * one history of joins, leaves, crashes, lost and doubled answers; `npm run simulate -- --seed N` tells a failed one.
 */
import { describe, expect, it } from '@jest/globals';
import { simulate } from './simulation/simulate.js';
import { FIGURES, type Figure } from './simulation/tally.js';
import { Totals } from './simulation/totals.js';

const SEEDS = 2_000;
const BATCHES = 4;

const totals = new Totals();

const failuresOf = async (from: number, count: number): Promise<string[]> => {
  const failures: string[] = [];
  for (let seed = from; seed < from + count; seed++) {
    const { violations, figures } = await simulate(seed);
    totals.add(figures);
    if (violations.length > 0) failures.push(`npm run simulate -- --seed ${seed}: ${violations[0]!}`);
  }
  return failures;
};

describe('consumer engine, in simulated histories', () => {
  for (let batch = 0; batch < BATCHES; batch++) {
    const [from, count] = [1 + (batch * SEEDS) / BATCHES, SEEDS / BATCHES];
    it(`keeps its promises in the histories ${from} to ${from + count - 1}`, async () => {
      expect(await failuresOf(from, count)).toEqual([]);
    });
  }

  it('meets every fault and state that it is there for, often enough to find what one of them breaks', () => {
    const seldom = (Object.keys(FIGURES) as Figure[]).filter((name) => totals.reached[name] < SEEDS / 100);
    expect(seldom).toEqual([]);
    expect(totals.sums.repeats).toBeLessThan(totals.sums.records / 10);
  });

  it('tells the same history for the same seed', async () => {
    const [one, other] = [await simulate(17, true), await simulate(17, true)];
    expect(one.trace.length).toBeGreaterThan(50);
    expect(one.trace).toEqual(other.trace);
  });
});
