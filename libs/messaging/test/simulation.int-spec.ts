/**
 * Real: the whole consumer engine. Simulated: time, the log, the group and what processes do in between (test/simulation). Each seed is
 * one history of joins, leaves, crashes, lost and doubled answers; `npm run simulate -- --seed N` tells a failed one.
 */
import { describe, expect, it } from '@jest/globals';
import { simulate, type Figures } from './simulation/simulate.js';

const SEEDS = 2_000;
const BATCHES = 4;

const total: Record<keyof Figures, number> = {
  virtualMs: 0,
  events: 0,
  records: 0,
  runs: 0,
  repeats: 0,
  rebalances: 0,
  deaths: 0,
  overlapsOfMembers: 0,
  surplus: 0,
};

const failuresOf = async (from: number, count: number): Promise<string[]> => {
  const failures: string[] = [];
  for (let seed = from; seed < from + count; seed++) {
    const { violations, figures } = await simulate(seed);
    for (const [name, value] of Object.entries(figures)) total[name as keyof Figures] += value;
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

  it('meets the faults that it is there for', () => {
    expect(total.deaths).toBeGreaterThan(SEEDS / 2);
    expect(total.rebalances).toBeGreaterThan(2 * SEEDS);
    expect(total.surplus).toBeGreaterThan(SEEDS / 8);
    expect(total.repeats).toBeGreaterThan(SEEDS);
    expect(total.repeats).toBeLessThan(total.records / 10);
  });

  it('tells the same history for the same seed', async () => {
    const [one, other] = [await simulate(17, true), await simulate(17, true)];
    expect(one.trace.length).toBeGreaterThan(50);
    expect(one.trace).toEqual(other.trace);
  });
});
