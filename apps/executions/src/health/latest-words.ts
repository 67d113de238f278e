import { functionKey } from './function-of.js';
import type { CircuitWord } from './function-circuits.repository.js';

const keyOf = ({ lane, worker, ...of }: CircuitWord): string => `${functionKey(of)}/${lane}/${worker}`;

/** The latest word of each worker on each of its circuits. */
export const latestWords = (words: readonly CircuitWord[]): CircuitWord[] => {
  const latest = new Map<string, CircuitWord>();
  for (const one of words) {
    const before = latest.get(keyOf(one));
    if (before === undefined || Date.parse(one.at) >= Date.parse(before.at)) latest.set(keyOf(one), one);
  }
  return [...latest.values()];
};
