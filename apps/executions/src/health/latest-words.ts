import type { CircuitNews } from './tally.js';

/** A worker that said nothing of an open circuit for so long is gone, or calls the function no more. */
const FORGOTTEN_MS = 60 * 60_000;

const keyOf = ({ lane, worker }: CircuitNews): string => `${lane}/${worker}`;

/** The latest word of each worker and lane. */
export const mergeCircuits = (known: readonly CircuitNews[], news: readonly CircuitNews[]): CircuitNews[] => {
  const latest = new Map(known.map((one) => [keyOf(one), one]));
  for (const one of news) {
    const before = latest.get(keyOf(one));
    if (before === undefined || Date.parse(one.at) >= Date.parse(before.at)) latest.set(keyOf(one), one);
  }
  return [...latest.values()];
};

/** The last words in a lane that still count. */
export const standingCircuits = (circuits: readonly CircuitNews[], lane: CircuitNews['lane'], nowMs: number): CircuitNews[] =>
  circuits.filter((one) => one.lane === lane && nowMs - Date.parse(one.at) < FORGOTTEN_MS);

/** Workers that do not call the function as usual in this lane: one that probes has not closed its circuit yet. */
export const openWorkers = (circuits: readonly CircuitNews[], lane: CircuitNews['lane'], nowMs: number): number =>
  standingCircuits(circuits, lane, nowMs).filter(({ state }) => state !== 'closed').length;
