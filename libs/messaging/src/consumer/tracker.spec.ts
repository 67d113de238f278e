import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { PartitionTracker, type Tracked } from './tracker.js';

class Work implements Tracked<Work> {
  lower: Work | null = null;
  higher: Work | null = null;
  completed = false;
  readonly bytes = 10;
  readonly record: { readonly offset: number };
  constructor(offset: number) {
    this.record = { offset };
  }
}

const deliver = (tracker: PartitionTracker<Work>, offset: number): Work | null => {
  if (!tracker.admits(offset)) return null;
  const work = new Work(offset);
  tracker.add(work);
  return work;
};

const offsetsIn = (ranges: readonly number[]): number[] => {
  const offsets: number[] = [];
  for (let i = 0; i < ranges.length; i += 2) for (let at = ranges[i]!; at < ranges[i + 1]!; at++) offsets.push(at);
  return offsets;
};

describe('partition tracker', () => {
  it('agrees with plain sets of delivered and done offsets, with gaps and refetched records', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('deliver' as const), gap: fc.nat({ max: 3 }), count: fc.integer({ min: 1, max: 6 }) }),
      fc.record({ kind: fc.constant('refetch' as const), back: fc.integer({ min: 1, max: 20 }) }),
      fc.record({ kind: fc.constant('complete' as const), pick: fc.nat() }),
    );
    fc.assert(
      fc.property(fc.nat({ max: 50 }), fc.array(step, { maxLength: 80, size: 'max' }), (start, steps) => {
        const tracker = new PartitionTracker<Work>(start);
        const incomplete: Work[] = [];
        const delivered: number[] = [];
        let next = start;
        for (const each of steps) {
          if (each.kind === 'deliver') {
            next += each.gap;
            for (let i = 0; i < each.count; i++) {
              incomplete.push(deliver(tracker, next)!);
              delivered.push(next++);
            }
          } else if (each.kind === 'refetch') {
            for (const offset of delivered.slice(-each.back)) expect(deliver(tracker, offset)).toBeNull();
          } else if (incomplete.length > 0) {
            const [work] = incomplete.splice(each.pick % incomplete.length, 1);
            expect(tracker.complete(work!)).toBe(true);
            expect(tracker.complete(work!)).toBe(false);
          }
          const open = incomplete.map(({ record }) => record.offset);
          const watermark = open.length > 0 ? Math.min(...open) : next;
          expect(tracker.watermark()).toBe(watermark);
          expect(tracker.records).toBe(open.length);
          expect(tracker.bytes).toBe(open.length * 10);
          const above = offsetsIn(tracker.completedAbove());
          const done = delivered.filter((offset) => offset > watermark && !open.includes(offset));
          expect(above.filter((offset) => delivered.includes(offset))).toEqual(done);
          expect(above.filter((offset) => open.includes(offset) || offset <= watermark || offset >= next)).toEqual([]);
        }
      }),
    );
  });

  it('never commits past a record that a later one overtook', () => {
    const tracker = new PartitionTracker<Work>(5);
    const slow = deliver(tracker, 5)!;
    tracker.complete(deliver(tracker, 6)!);
    tracker.complete(deliver(tracker, 9)!);
    expect(tracker.watermark()).toBe(5);
    tracker.complete(slow);
    expect(tracker.watermark()).toBe(10);
  });

  it('knows nothing to commit before the first record of a group that never committed', () => {
    const tracker = new PartitionTracker<Work>(null);
    expect(tracker.watermark()).toBe(-1);
    deliver(tracker, 40);
    expect(tracker.watermark()).toBe(40);
  });

  it('skips what an earlier owner had completed, and keeps knowing it until it came', () => {
    const tracker = new PartitionTracker<Work>(10, [12, 14, 20, 22]);
    expect(tracker.completedAbove()).toEqual([12, 14, 20, 22]);
    const first = deliver(tracker, 10)!;
    deliver(tracker, 11);
    expect([12, 13].map((offset) => deliver(tracker, offset))).toEqual([null, null]);
    const last = deliver(tracker, 14)!;
    expect(tracker.completedAbove()).toEqual([12, 14, 20, 22]);
    tracker.complete(first);
    tracker.complete(last);
    expect(tracker.watermark()).toBe(11);
    expect(tracker.completedAbove()).toEqual([12, 15, 20, 22]);
    expect(tracker.duplicates).toBe(2);
  });

  it('moves its watermark over skipped records when nothing else is left', () => {
    const tracker = new PartitionTracker<Work>(10, [11, 13]);
    tracker.complete(deliver(tracker, 10)!);
    expect([deliver(tracker, 11), deliver(tracker, 12)]).toEqual([null, null]);
    expect(tracker.watermark()).toBe(13);
    expect(tracker.completedAbove()).toEqual([]);
  });

  it('takes a log that begins below the committed offset as another log', () => {
    const tracker = new PartitionTracker<Work>(1_000, [1_001, 1_003]);
    expect(deliver(tracker, 0)).not.toBeNull();
    expect(tracker.watermark()).toBe(0);
    expect(tracker.completedAbove()).toEqual([]);
  });
});
