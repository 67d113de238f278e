import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { laneConcurrency, workerCap } from './concurrency-cap.js';

describe('concurrency of a function', () => {
  it.each([
    [1, 1],
    [2, 1],
    [3, 2],
    [5, 4],
    [10, 8],
    [50, 40],
  ])('of %i calls at once triggers may use %i', (max, triggers) => expect(laneConcurrency('trigger', max)).toBe(triggers));

  it('lets steps use all of it', () => expect(laneConcurrency('step', 50)).toBe(50));

  it.each([
    [50, 12, 12, 50],
    [50, 6, 12, 25],
    [50, 1, 12, 5],
    [1, 1, 12, 1],
    [50, 0, 12, 1],
  ])('of %i a worker with %i of %i partitions gets %i', (max, owned, all, cap) => expect(workerCap(max, owned, all)).toBe(cap));

  it('never adds up to more than max + workers', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 12 }),
        (max, owned) => {
          const all = owned.reduce((sum, count) => sum + count, 0);
          const total = owned.reduce((sum, count) => sum + workerCap(max, count, all), 0);
          expect(total).toBeLessThanOrEqual(max + owned.length);
          expect(total).toBeGreaterThanOrEqual(max);
        },
      ),
    );
  });
});
