import { describe, expect, it } from '@jest/globals';
import { PartitionQueue, type PendingRecord } from './partition-queue.js';

const pending = (key: number, bytes = 100): PendingRecord => ({
  key: Buffer.from(String(key)),
  value: null,
  headers: Buffer.alloc(0),
  bytes,
  giveUpAtMs: 0,
  settle: () => undefined,
});
const queueOf = (count: number, bytes?: number): PartitionQueue => {
  const queue = new PartitionQueue('topic', 0, 1_000);
  for (let key = 0; key < count; key++) queue.push(pending(key, bytes));
  return queue;
};
const keys = (records: readonly PendingRecord[]): number[] => records.map(({ key }) => Number(key));

describe('PartitionQueue', () => {
  it('gives from its head what fits the batch and what is left of the request', () => {
    const queue = queueOf(20);
    expect(keys(queue.take(10_000, true))).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(keys(queue.take(300, true))).toEqual([7, 8]);
    expect(queue.length).toBe(11);
  });

  it('gives a record larger than a batch only to a request that is empty so far', () => {
    const queue = queueOf(2, 5_000);
    expect(queue.take(10_000, false)).toEqual([]);
    expect(keys(queue.take(10_000, true))).toEqual([0]);
  });

  it('keeps the order of what goes back, and waits longer with each failure until something is appended', () => {
    const queue = queueOf(4);
    queue.retryLater(queue.take(300, true), 1_000);
    const first = queue.notBeforeMs - 1_000;
    expect(first).toBeGreaterThan(0);
    for (let failures = 0; failures < 5; failures++) queue.retryLater(queue.take(300, true), 1_000);
    expect(queue.notBeforeMs - 1_000).toBeGreaterThan(first * 2);
    expect(keys(queue.take(1_000, true))).toEqual([0, 1, 2, 3]);
    queue.appended();
    expect(queue.notBeforeMs).toBe(0);
  });

  it('halves a refused batch until the offender is alone, and lets batches grow again afterwards', () => {
    const queue = queueOf(4, 10);
    queue.split(queue.take(1_000, true));
    queue.split(queue.take(1_000, true));
    expect(keys(queue.take(1_000, true))).toEqual([0]);
    queue.appended();
    expect(keys(queue.take(1_000, true))).toEqual([1, 2]);
    queue.appended();
    expect(keys(queue.take(1_000, true))).toEqual([3]);
  });
});
