import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { NOT_CALLED, type Schedulable } from './bulkhead-state.js';
import { LinkedLine } from './linked-line.js';
import { Scheduler } from './scheduler.js';

class Work implements Schedulable<Work> {
  before: Work | null = null;
  after: Work | null = null;
  line: LinkedLine<Work> | null = null;
  older: Work | null = null;
  younger: Work | null = null;
  running = false;
  resting = false;
  calledAtMs = NOT_CALLED;
  constructor(
    readonly id: number,
    readonly orderKey: string | null,
    readonly bulkheadKey: string | null,
    readonly tenantKey: string | null = null,
    readonly alone = false,
  ) {}
}

const many = (count: number, orderKey: string | null, bulkheadKey: string | null): Work[] =>
  Array.from({ length: count }, (_, id) => new Work(id, orderKey, bulkheadKey));

const lonely = (id: number): Work => new Work(id, null, 'fn', null, true);

const startAll = (scheduler: Scheduler<Work>): Work[] => {
  const started: Work[] = [];
  for (let work = scheduler.next(); work !== null; work = scheduler.next()) started.push(work);
  return started;
};

const startAt = (scheduler: Scheduler<Work>, nowMs: number): Work | null => {
  const work = scheduler.next();
  if (work !== null) scheduler.called(work, nowMs);
  return work;
};

const readyAside = (scheduler: Scheduler<Work>, aside: LinkedLine<Work>): void => {
  const works: Work[] = [];
  for (let work = aside.first; work !== null; work = work.after) if (scheduler.hasRoomFor(work)) works.push(work);
  for (const work of works.reverse()) scheduler.readied(work);
};

describe('scheduler', () => {
  it('keeps order per key, every limit and loses nothing, whatever comes, ends, stands aside or is taken out', () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('enqueue' as const),
        key: fc.constantFrom('a', 'b', null),
        bulkhead: fc.constantFrom('x', 'y', 'z', null),
      }),
      fc.record({ kind: fc.constant('start' as const) }),
      fc.record({ kind: fc.constant('release' as const), pick: fc.nat() }),
      fc.record({ kind: fc.constant('yield' as const), pick: fc.nat() }),
      fc.record({ kind: fc.constant('remove' as const), pick: fc.nat() }),
      fc.record({ kind: fc.constant('places' as const), areThere: fc.boolean() }),
      fc.record({ kind: fc.constant('limit' as const), bulkhead: fc.constantFrom('x', 'y', 'z'), limit: fc.nat({ max: 3 }) }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 120, size: 'max' }), (maxInFlight, steps) => {
        const limits = new Map([
          ['x', 1],
          ['y', 2],
          ['z', 3],
        ]);
        const limitOf = (work: Work): number => limits.get(work.bulkheadKey ?? '') ?? Infinity;
        const aside = new LinkedLine<Work>();
        let arePlaces = false;
        const hasPlace = ({ id }: Work): boolean => arePlaces || id % 3 > 0;
        const isSettled = (): boolean => true;
        const scheduler = new Scheduler<Work>(maxInFlight, limitOf, isSettled, (work) => (hasPlace(work) ? null : aside));
        const queued: Work[] = [];
        const running: Work[] = [];
        const yielded: Work[] = [];
        const tenantOf = (bulkhead: string | null): string | null => (bulkhead === null ? null : bulkhead === 'z' ? 'small' : 'large');
        const runningIn = (bulkhead: string | null): number => running.filter((work) => work.bulkheadKey === bulkhead).length;
        const mayStart = (work: Work): boolean =>
          hasPlace(work) &&
          running.length < maxInFlight &&
          running.length + yielded.length < 2 * maxInFlight &&
          runningIn(work.bulkheadKey) < limitOf(work) &&
          (work.orderKey === null ||
            ![...running, ...queued].some((other) => other.orderKey === work.orderKey && (other.running || other.id < work.id)));
        steps.forEach((each, id) => {
          if (each.kind === 'enqueue') {
            const work = new Work(id, each.key, each.bulkhead, tenantOf(each.bulkhead));
            queued.push(work);
            scheduler.enqueue(work);
          } else if (each.kind === 'start') {
            scheduler.recheck();
            if (arePlaces) readyAside(scheduler, aside);
            const startable = queued.filter(mayStart);
            const work = scheduler.next();
            const ids = startable.map((each) => each.id);
            if (work === null) expect(ids).toEqual([]);
            else {
              expect(ids).toContain(work.id);
              const held = (other: Work): number => running.filter(({ tenantKey }) => tenantKey === other.tenantKey).length;
              expect(held(work)).toBe(Math.min(...startable.map(held)));
              queued.splice(queued.indexOf(work), 1);
              running.push(work);
            }
          } else if (each.kind === 'release' && running.length > 0) {
            scheduler.release(running.splice(each.pick % running.length, 1)[0]!);
          } else if (each.kind === 'release' && yielded.length > 0) {
            scheduler.release(yielded.splice(each.pick % yielded.length, 1)[0]!);
          } else if (each.kind === 'yield' && running.length > 0) {
            yielded.push(...running.splice(each.pick % running.length, 1));
            scheduler.yieldSlot(yielded.at(-1)!);
            scheduler.yieldSlot(yielded[0]!);
          } else if (each.kind === 'remove' && queued.length > 0) {
            scheduler.remove(queued.splice(each.pick % queued.length, 1)[0]!);
          } else if (each.kind === 'places') arePlaces = each.areThere;
          else if (each.kind === 'limit') limits.set(each.bulkhead, each.limit);
          expect([scheduler.queued, scheduler.inFlight, scheduler.yielded]).toEqual([queued.length, running.length, yielded.length]);
        });
        limits.clear();
        arePlaces = true;
        for (const work of yielded) scheduler.release(work);
        scheduler.recheck();
        for (let rounds = 0; queued.length + running.length > 0; rounds++) {
          if (rounds > 1_000) throw new Error('not everything was started');
          readyAside(scheduler, aside);
          for (const work of startAll(scheduler)) {
            queued.splice(queued.indexOf(work), 1);
            running.push(work);
          }
          scheduler.release(running.shift()!);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('runs the records of a key one at a time in the order they came', () => {
    const scheduler = new Scheduler<Work>(10, () => Infinity);
    const works = many(3, 'chat', null);
    for (const work of works) scheduler.enqueue(work);
    for (const work of works) {
      expect(startAll(scheduler)).toEqual([work]);
      scheduler.release(work);
    }
  });

  it('never lets a full bulkhead hold up another one', () => {
    const scheduler = new Scheduler<Work>(10, ({ bulkheadKey }) => (bulkheadKey === 'slow' ? 2 : 10));
    for (const work of [...many(100, null, 'slow'), ...many(3, null, 'quick')]) scheduler.enqueue(work);
    const started = startAll(scheduler).map(({ bulkheadKey }) => bulkheadKey);
    expect(started.filter((key) => key === 'slow')).toHaveLength(2);
    expect(started.filter((key) => key === 'quick')).toHaveLength(3);
  });

  it('gives a bulkhead that holds no slot the next free one, however many wait in the others', () => {
    const scheduler = new Scheduler<Work>(4, () => 100);
    for (const work of [...many(50, null, 'busy'), ...many(50, null, 'busier')]) scheduler.enqueue(work);
    const [first] = startAll(scheduler);
    const late = new Work(0, null, 'late');
    scheduler.enqueue(late);
    scheduler.release(first!);
    expect(startAll(scheduler)).toEqual([late]);
  });

  it('shares the slots evenly between bulkheads that all want more', () => {
    const scheduler = new Scheduler<Work>(9, () => 100);
    for (const key of ['a', 'b', 'c']) for (const work of many(50, null, key)) scheduler.enqueue(work);
    startAll(scheduler);
    expect(scheduler.inFlightByBulkhead()).toEqual({ a: 3, b: 3, c: 3 });
  });

  it('shares the slots evenly between tenants, however many bulkheads each has', () => {
    const scheduler = new Scheduler<Work>(9, () => 100);
    const ofTenant = (tenant: string, bulkheads: number): Work[] =>
      Array.from({ length: 60 }, (_, id) => new Work(id, null, `${tenant}${id % bulkheads}`, tenant));
    for (const work of [...ofTenant('a', 30), ...ofTenant('b', 1), ...ofTenant('c', 2)]) scheduler.enqueue(work);
    const started = startAll(scheduler);
    for (const tenant of ['a', 'b', 'c']) expect(started.filter(({ tenantKey }) => tenantKey === tenant)).toHaveLength(3);
    expect(scheduler.inFlightByBulkhead()).toMatchObject({ b0: 3, c0: 2, c1: 1 });
    scheduler.release(started.find(({ tenantKey }) => tenantKey === 'b')!);
    expect(startAll(scheduler).map(({ tenantKey }) => tenantKey)).toEqual(['b']);
  });

  it('gives a tenant whose bulkheads are all full no turn, and its turn back when one is not', () => {
    const scheduler = new Scheduler<Work>(10, ({ tenantKey }) => (tenantKey === 'slow' ? 1 : 10));
    const slow = Array.from({ length: 6 }, (_, id) => new Work(id, null, `slow${id % 2}`, 'slow'));
    const quick = Array.from({ length: 3 }, (_, id) => new Work(id, null, 'quick', 'quick'));
    for (const work of [...slow, ...quick]) scheduler.enqueue(work);
    const started = startAll(scheduler);
    expect(started.map(({ tenantKey }) => tenantKey).sort()).toEqual(['quick', 'quick', 'quick', 'slow', 'slow']);
    scheduler.release(started.find(({ tenantKey }) => tenantKey === 'slow')!);
    expect(startAll(scheduler).map(({ tenantKey }) => tenantKey)).toEqual(['slow']);
  });

  it('reads a limit anew at each start', () => {
    let limit = 1;
    const scheduler = new Scheduler<Work>(10, () => limit);
    for (const work of many(5, null, 'growing')) scheduler.enqueue(work);
    expect(startAll(scheduler)).toHaveLength(1);
    limit = 3;
    scheduler.recheck();
    expect(startAll(scheduler)).toHaveLength(2);
  });

  it('asks a full bulkhead for its limit once, not at every start of another one', () => {
    let asked = 0;
    const scheduler = new Scheduler<Work>(5_000, ({ bulkheadKey }) => {
      if (bulkheadKey !== 'open') asked++;
      return bulkheadKey === 'open' ? Infinity : 1;
    });
    for (let key = 0; key < 1_000; key++) for (const work of many(2, null, String(key))) scheduler.enqueue(work);
    for (const work of many(2_000, null, 'open')) scheduler.enqueue(work);
    expect(startAll(scheduler)).toHaveLength(3_000);
    expect(asked).toBeLessThanOrEqual(2_000);
  });

  it('starts a record that must run alone when nothing else runs, and nothing beside it', () => {
    const scheduler = new Scheduler<Work>(10, () => Infinity);
    const [first, last] = many(2, null, 'fn') as [Work, Work];
    const suspect = lonely(2);
    scheduler.enqueue(first);
    expect(startAll(scheduler)).toEqual([first]);
    for (const work of [last, suspect]) scheduler.enqueue(work);
    expect(startAll(scheduler)).toEqual([]);
    scheduler.release(first);
    expect(startAll(scheduler)).toEqual([suspect]);
    scheduler.release(suspect);
    expect(startAll(scheduler)).toEqual([last]);
  });

  it('starts it only when those that gave their slot back have ended, and it keeps its own to the end', () => {
    const scheduler = new Scheduler<Work>(10, () => Infinity);
    const [first, last] = many(2, null, 'fn') as [Work, Work];
    const suspect = lonely(2);
    scheduler.enqueue(first);
    expect(startAll(scheduler)).toEqual([first]);
    scheduler.yieldSlot(first);
    for (const work of [last, suspect]) scheduler.enqueue(work);
    expect(startAll(scheduler)).toEqual([]);
    scheduler.release(first);
    expect(startAll(scheduler)).toEqual([suspect]);
    scheduler.yieldSlot(suspect);
    expect(startAll(scheduler)).toEqual([]);
    scheduler.release(suspect);
    expect(startAll(scheduler)).toEqual([last]);
  });

  it('starts it only when it is told that nothing of the others is left', () => {
    let isSettled = false;
    const scheduler = new Scheduler<Work>(
      10,
      () => Infinity,
      () => isSettled,
    );
    const suspect = lonely(0);
    for (const work of [suspect, ...many(1, null, 'fn')]) scheduler.enqueue(work);
    expect(startAll(scheduler)).toEqual([]);
    isSettled = true;
    expect(startAll(scheduler)).toEqual([suspect]);
  });

  it('lets the others go on once the one that ran alone may share, or is gone', () => {
    const scheduler = new Scheduler<Work>(10, () => Infinity);
    const [suspect, gone] = [lonely(0), lonely(1)];
    const last = new Work(2, null, 'fn');
    for (const work of [suspect, gone, last]) scheduler.enqueue(work);
    expect(startAll(scheduler)).toEqual([suspect]);
    scheduler.rests(suspect, true);
    scheduler.share(suspect);
    scheduler.remove(gone);
    expect(startAll(scheduler)).toEqual([last]);
  });

  it('starts those that must run alone one after the other and others after them, so that these have to end only once', () => {
    const scheduler = new Scheduler<Work>(10, () => Infinity);
    const suspects = [lonely(0), lonely(1)] as const;
    const other = new Work(2, null, 'fn');
    for (const work of [other, ...suspects]) scheduler.enqueue(work);
    for (const suspect of suspects) {
      expect([startAll(scheduler), scheduler.others.isOpen]).toEqual([[suspect], false]);
      scheduler.release(suspect);
    }
    expect(startAll(scheduler)).toEqual([other]);
  });

  it('lets nobody wait for one that must run alone while its bulkhead is full', () => {
    const limits = new Map([['fn', 0]]);
    const scheduler = new Scheduler<Work>(10, ({ bulkheadKey }) => limits.get(bulkheadKey ?? '') ?? Infinity);
    const other = new Work(1, null, 'other');
    for (const work of [lonely(0), other]) scheduler.enqueue(work);
    expect(startAll(scheduler)).toEqual([other]);
    scheduler.release(other);
    limits.set('fn', 1);
    expect(startAll(scheduler).map(({ id }) => id)).toEqual([0]);
  });

  it('lets what lies behind a record without a place go on, but for its order key, and gives it its turn back first', () => {
    const aside = new LinkedLine<Work>();
    let isPlace = false;
    const scheduler = new Scheduler<Work>(
      2,
      () => Infinity,
      () => true,
      ({ id }) => (isPlace || id > 0 ? null : aside),
    );
    const [suspect, successor] = many(2, 'chat', 'fn') as [Work, Work];
    const others = [2, 3, 4].map((id) => new Work(id, null, 'fn'));
    for (const work of [suspect, successor, ...others]) scheduler.enqueue(work);
    expect([startAll(scheduler), aside.first]).toEqual([others.slice(0, 2), suspect]);
    scheduler.release(others[0]!);
    isPlace = true;
    readyAside(scheduler, aside);
    expect(startAll(scheduler)).toEqual([suspect]);
    scheduler.release(others[1]!);
    expect(startAll(scheduler)).toEqual([others[2]]);
    scheduler.release(suspect);
    expect(startAll(scheduler)).toEqual([successor]);
  });

  const QUOTA = { callMs: 1_000, worksOffMs: 10_000 };
  const queued = (surplus: readonly Work[]): number[] => surplus.map(({ id }) => id);

  it('takes out what a bulkhead would not work off in time, the youngest first', () => {
    const scheduler = new Scheduler<Work>(10, () => 2);
    for (const work of many(20, null, 'slow')) scheduler.enqueue(work);
    expect([startAt(scheduler, 0), startAt(scheduler, 0), startAt(scheduler, 0)].map((work) => work?.id)).toEqual([0, 1, undefined]);
    expect(scheduler.takeSurplus(QUOTA, 999)).toEqual([]);
    expect(queued(scheduler.takeSurplus(QUOTA, 2_000))).toEqual([19, 18, 17, 16, 15, 14, 13, 12]);
    expect(scheduler.takeSurplus(QUOTA, 2_000)).toEqual([]);
    expect(queued(scheduler.takeSurplus(QUOTA, 100_000))).toEqual([11, 10, 9, 8, 7, 6, 5, 4]);
    expect(scheduler.queued).toBe(2);
  });

  it('leaves a bulkhead alone whose calls are quick, however many wait, and one of whose calls hangs', () => {
    const scheduler = new Scheduler<Work>(10, () => 4);
    for (const work of many(1_000, null, 'quick')) scheduler.enqueue(work);
    let running = [1, 2, 3, 4].map(() => startAt(scheduler, 0)!);
    for (let nowMs = 50; nowMs < 3_000; nowMs += 50) {
      const [hangs, ...others] = running;
      for (const work of others) scheduler.release(work, nowMs);
      running = [hangs!, ...others.map(() => startAt(scheduler, nowMs)!)];
      expect(scheduler.takeSurplus(QUOTA, nowMs)).toEqual([]);
    }
  });

  it('does not take a call that has not begun for a slow one', () => {
    const scheduler = new Scheduler<Work>(10, () => 2);
    for (const work of many(20, null, 'fn')) scheduler.enqueue(work);
    const [waiting, called] = startAll(scheduler);
    expect(scheduler.takeSurplus(QUOTA, 100_000)).toEqual([]);
    scheduler.called(called!, 100_000);
    scheduler.release(waiting!, 100_000);
    expect(scheduler.takeSurplus(QUOTA, 100_000)).toEqual([]);
    expect(scheduler.takeSurplus(QUOTA, 102_000).length).toBeGreaterThan(0);
  });

  it('takes the last record of an order key before the ones that it follows', () => {
    const scheduler = new Scheduler<Work>(10, () => 1);
    for (const work of many(6, 'chat', 'slow')) scheduler.enqueue(work);
    startAt(scheduler, 0);
    expect(queued(scheduler.takeSurplus(QUOTA, 100_000))).toEqual([5, 4, 3, 2]);
    const other = new Work(6, 'another chat', 'slow');
    scheduler.enqueue(other);
    for (const work of many(3, 'another chat', 'slow')) scheduler.enqueue(work);
    expect(scheduler.takeSurplus(QUOTA, 100_000).at(-1)).toBe(other);
  });

  it('keeps what it holds in order after surplus was taken, and loses none of it', () => {
    const step = fc.record({ key: fc.constantFrom('a', 'b', null), bulkhead: fc.constantFrom('x', 'y'), starts: fc.nat({ max: 2 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const scheduler = new Scheduler<Work>(5, () => 2);
        const inside = new Set<Work>();
        const running: Work[] = [];
        steps.forEach(({ key, bulkhead, starts }, id) => {
          const work = new Work(id, key === null ? null : `${bulkhead}/${key}`, bulkhead);
          inside.add(work);
          scheduler.enqueue(work);
          for (let i = 0; i < starts; i++) {
            const next = startAt(scheduler, id * 500);
            if (next !== null) running.push(next);
          }
          for (const taken of scheduler.takeSurplus({ callMs: 500, worksOffMs: 2_000 }, id * 500)) {
            expect([inside.delete(taken), taken.running]).toEqual([true, false]);
          }
          expect(scheduler.queued + scheduler.inFlight).toBe(inside.size);
        });
        for (const work of inside) if (!work.running && running.length === 0) running.push(scheduler.next()!);
        const last = new Map<string, number>();
        while (running.length > 0) {
          const work = running.shift()!;
          if (work.orderKey !== null) {
            expect(work.id).toBeGreaterThan(last.get(work.orderKey) ?? -1);
            last.set(work.orderKey, work.id);
          }
          inside.delete(work);
          scheduler.release(work);
          running.push(...startAll(scheduler));
        }
        expect(inside.size).toBe(0);
      }),
    );
  });
});
