import { describe, expect, it } from '@jest/globals';
import type { CircuitWord } from './function-circuits.repository.js';
import { latestWords } from './latest-words.js';

const word = (cloudFunctionId: string, worker: string, state: CircuitWord['state'], second: number): CircuitWord => ({
  orgId: 'o',
  cloudFunctionId,
  lane: 'trigger',
  worker,
  state,
  at: new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString(),
});

describe('words on circuits', () => {
  it('count by the latest of each worker and function, in whatever order they come', () => {
    const words = [word('f', 'a', 'open', 1), word('f', 'b', 'open', 2), word('g', 'a', 'open', 2), word('f', 'a', 'closed', 3)];
    for (const order of [words, words.toReversed()]) {
      const latest = latestWords(order);
      expect(latest).toHaveLength(3);
      expect(latest).toEqual(expect.arrayContaining(words.slice(1)));
    }
  });
});
