import { describe, expect, it } from '@jest/globals';
import { CrashGuard, type Guarded } from './crash-guard.js';
import type { LinkedLine } from './linked-line.js';
import { NOTHING_KNOWN, type OffsetProgress } from './offset-metadata.js';

class Work implements Guarded<Work> {
  before: Work | null = null;
  after: Work | null = null;
  line: LinkedLine<Work> | null = null;
  deaths = 0;
  suspected = false;
  alone = false;
  completed = false;
  readonly record: { readonly offset: number };
  constructor(offset: number) {
    this.record = { offset };
  }
}

/** One life of a process with a partition: what it has started, one that must be alone only when nothing else runs. */
class Life {
  readonly guard: CrashGuard<Work>;
  readonly running: Work[] = [];
  #turns: Work[] = [];

  constructor(restored: OffsetProgress, offsets: readonly number[], bufferedRecordsMax = 1_000) {
    this.guard = new CrashGuard<Work>(restored, bufferedRecordsMax);
    for (const offset of offsets) {
      const work = new Work(offset);
      if (!this.guard.holds(work)) this.#turns.push(work);
    }
    this.commit();
    this.start();
  }

  commit(): void {
    this.guard.tell();
    this.#turns.push(...this.guard.confirmed());
  }

  start(): void {
    const left: Work[] = [];
    let running = this.running.length;
    for (const work of this.#turns) {
      if (work.alone ? running > 0 : this.guard.asideOf(work) !== null) left.push(work);
      else {
        running++;
        if (work.suspected) this.guard.announce(work, () => this.running.push(work));
        else this.running.push(work);
      }
    }
    this.#turns = left;
    this.commit();
  }

  complete(offset: number): void {
    const [work] = this.running.splice(this.offsets.indexOf(offset), 1);
    this.guard.completed(work!);
    this.start();
  }

  die(): OffsetProgress {
    return { isOpen: true, suspects: this.guard.tell(), completed: [] };
  }

  get offsets(): number[] {
    return this.running.map(({ record }) => record.offset);
  }
}

const upTo = (count: number, from = 0): number[] => Array.from({ length: count - from }, (_, i) => from + i);
const once = { isOpen: true, suspects: [], completed: [] };

describe('crash guard', () => {
  it('lets nothing start before the partition is marked as owned, then everything at once', () => {
    const guard = new CrashGuard<Work>(NOTHING_KNOWN, 100);
    const [first, second] = [new Work(0), new Work(1)];
    expect([guard.holds(first), guard.awaitsCommit, guard.waiting]).toEqual([true, true, 1]);
    expect(guard.tell()).toEqual([]);
    expect(guard.confirmed()).toEqual([first]);
    expect([guard.holds(second), guard.waiting, second.suspected]).toEqual([false, 0, false]);
  });

  it('suspects nothing after a partition was handed over', () => {
    const life = new Life(NOTHING_KNOWN, upTo(500));
    expect([life.offsets.length, life.die().suspects]).toEqual([500, []]);
  });

  it('narrows down who kills the process and takes it out after three deaths and one alone', () => {
    const killer = 90;
    const first = new Life(NOTHING_KNOWN, upTo(200));
    expect(first.offsets).toContain(killer);

    const second = new Life(first.die(), upTo(200));
    expect(second.offsets).toEqual(upTo(128));

    const third = new Life(second.die(), upTo(200));
    expect(third.offsets).toEqual([...upTo(8), ...upTo(200, 128)]);
    for (let offset = 0; !third.offsets.includes(killer); offset++) third.complete(offset);
    const suspects = third.die().suspects.filter(({ announced, deaths }) => announced && deaths > 0);
    expect(suspects.map(({ offset }) => offset)).toEqual(upTo(91, 83));

    const fourth = new Life(third.die(), upTo(91, 83));
    for (const offset of upTo(killer, 83)) {
      expect(fourth.running).toMatchObject([{ record: { offset }, alone: true, deaths: 2 }]);
      fourth.complete(offset);
    }
    expect(fourth.offsets).toEqual([killer]);

    const fifth = new Life(fourth.die(), upTo(200, killer));
    expect(fifth.running[0]).toMatchObject({ record: { offset: killer }, deaths: 3, alone: false });
    expect(fifth.running.slice(1).every(({ deaths }) => deaths <= 2)).toBe(true);
  });

  it('announces a record when its turn has come, and no other', () => {
    const guard = new CrashGuard<Work>(once, 100);
    const works = upTo(3).map((offset) => new Work(offset));
    for (const work of works) guard.holds(work);
    guard.tell();
    guard.confirmed();
    let begun = 0;
    guard.announce(works[1]!, () => begun++);
    expect([guard.awaitsCommit, guard.tell(), begun]).toEqual([true, [{ offset: 1, deaths: 0, announced: true }], 0]);
    guard.confirmed();
    expect([guard.awaitsCommit, begun]).toEqual([false, 1]);
  });

  it('announces no more than the text beside the offset has room for, but a few', () => {
    const suspects = upTo(200).map((offset) => ({ offset, deaths: 1, announced: false }));
    const life = new Life({ isOpen: false, suspects, completed: [] }, upTo(500));
    expect(life.die().suspects).toHaveLength(256);
    expect(life.offsets).toEqual([...upTo(8), ...upTo(256, 200)]);

    const all = upTo(300).map((offset) => ({ offset, deaths: 1, announced: false }));
    expect(new Life({ isOpen: false, suspects: all, completed: [] }, upTo(500)).offsets).toEqual([...upTo(8), ...upTo(308, 300)]);
  });

  it('keeps the deaths of a record that did not come yet', () => {
    const restored = { isOpen: true, suspects: [{ offset: 7, deaths: 1, announced: true }], completed: [] };
    expect(new Life(restored, [3]).die().suspects).toEqual([
      { offset: 3, deaths: 0, announced: true },
      { offset: 7, deaths: 2, announced: false },
    ]);
  });

  it('forgets a suspect that is gone from the log', () => {
    const restored = { isOpen: false, suspects: [{ offset: 7, deaths: 2, announced: false }], completed: [] };
    expect(new Life(restored, [9]).die().suspects).toEqual([{ offset: 9, deaths: 0, announced: true }]);
  });

  it('tells the next owner of a suspect that did not run when the partition went, or waited for another try', () => {
    const restored = { isOpen: false, suspects: [{ offset: 3, deaths: 2, announced: false }], completed: [] };
    const life = new Life(restored, [3]);
    expect(life.die().suspects).toEqual([{ offset: 3, deaths: 2, announced: true }]);
    expect(life.guard.withdraw(life.running[0]!)).toBe(true);
    expect([life.guard.withdraw(life.running[0]!), life.guard.tell()]).toEqual([false, restored.suspects]);
  });

  it('begins nothing that was withdrawn before the commit was acknowledged', () => {
    const guard = new CrashGuard<Work>(once, 100);
    const work = new Work(0);
    guard.holds(work);
    guard.announce(work, () => expect(work).toBeNull());
    guard.tell();
    guard.withdraw(work);
    expect(guard.confirmed()).toEqual([work]);
  });

  it('suspects twice as many records as a buffer is meant to hold, and goes on for as long as a suspect has yet to come', () => {
    const life = new Life(once, upTo(1_000), 50);
    expect([life.offsets.length, life.die().suspects.length]).toEqual([1_000, 100]);
    const late = { isOpen: true, suspects: [{ offset: 500, deaths: 1, announced: false }], completed: [] };
    expect(new Life(late, upTo(1_000), 50).die().suspects).toContainEqual({ offset: 500, deaths: 1, announced: true });
  });

  it('suspects nothing that came after the death', () => {
    const guard = new CrashGuard<Work>(once, 100);
    guard.endsBefore(2);
    const works = upTo(4).map((offset) => new Work(offset));
    for (const work of works) guard.holds(work);
    expect([works.map(({ suspected }) => suspected), guard.isCareful]).toEqual([[true, true, false, false], false]);
  });
});
