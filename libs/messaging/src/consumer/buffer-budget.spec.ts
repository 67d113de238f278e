import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BufferBudget } from './buffer-budget.js';

describe('buffer budget', () => {
  it('is never exceeded by partitions that ask first, and always leaves each its share', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.array(fc.tuple(fc.nat({ max: 11 }), fc.boolean()), { maxLength: 400, size: 'max' }),
        (partitions, steps) => {
          const budget = new BufferBudget(120);
          const held = new Array<number>(partitions).fill(0);
          budget.setPartitions(held);
          for (const [pick, grows] of steps) {
            const i = pick % partitions;
            const now = held[i]!;
            if (grows ? budget.exhausted(now) : now === 0) {
              if (grows) expect(now).toBeGreaterThanOrEqual(Math.floor(60 / partitions));
              continue;
            }
            held[i] = now + (grows ? 1 : -1);
            budget.move(now, held[i]);
            expect(held.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(120);
          }
        },
      ),
    );
  });

  it('leaves each partition a record, also where they are more than it may hold', () => {
    const budget = new BufferBudget(8);
    budget.setPartitions([1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
    expect([budget.exhausted(0), budget.roomy(0)]).toEqual([false, true]);
  });

  it('lets one partition alone use all of it', () => {
    const budget = new BufferBudget(100);
    budget.setPartitions([0]);
    let held = 0;
    while (!budget.exhausted(held)) budget.move(held, ++held);
    expect(held).toBe(100);
  });

  it('has room again only well below its bound', () => {
    const budget = new BufferBudget(100);
    budget.setPartitions([100]);
    expect(budget.roomy(100)).toBe(false);
    budget.move(100, 76);
    expect(budget.roomy(76)).toBe(false);
    budget.move(76, 74);
    expect(budget.roomy(74)).toBe(true);
  });
});
