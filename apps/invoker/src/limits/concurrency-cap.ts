import { type Lane, TRIGGER_CONCURRENCY_SHARE } from '@cf/contract';

/** What a lane may use of a function's `maxConcurrency`: triggers leave a share, and at least one slot, to people who wait. */
export const laneConcurrency = (lane: Lane, maxConcurrency: number): number => {
  if (lane === 'step' || maxConcurrency < 2) return maxConcurrency;
  return Math.max(1, Math.min(Math.floor(maxConcurrency * TRIGGER_CONCURRENCY_SHARE), maxConcurrency - 1));
};

/** This worker's part of it, by owned partitions (guarantees.md §4): with N workers at most max + N calls run at once. */
export const workerCap = (concurrency: number, owned: number, all: number): number =>
  Math.max(1, Math.ceil((concurrency * Math.min(owned, all)) / Math.max(1, all)));
