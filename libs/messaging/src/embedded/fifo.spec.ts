import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Fifo } from './fifo.js';

describe('Fifo', () => {
  it('behaves as an array does, however it grows and shrinks', () => {
    const steps = fc.array(
      fc.oneof(fc.record({ push: fc.integer({ min: 1, max: 3_000 }) }), fc.record({ shift: fc.integer({ min: 1, max: 3_000 }) })),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(steps, (changes) => {
        const fifo = new Fifo<number>();
        const array: number[] = [];
        let next = 0;
        for (const change of changes) {
          if ('push' in change) {
            for (let count = 0; count < change.push; count++) {
              fifo.push(next);
              array.push(next++);
            }
          } else
            expect(Array.from({ length: change.shift }, () => fifo.shift())).toEqual(
              Array.from({ length: change.shift }, () => array.shift()),
            );
          expect(fifo.length).toBe(array.length);
          expect(fifo.peek()).toBe(array[0]);
          expect(fifo.slice(1, 5)).toEqual(array.slice(1, 5));
        }
        fifo.unshiftAll([-2, -1]);
        expect(fifo.slice(0, fifo.length)).toEqual([-2, -1, ...array]);
      }),
      { numRuns: 30 },
    );
  });
});
