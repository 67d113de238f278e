import { describe, expect, it } from '@jest/globals';
import { CrashGuard, type Guarded } from './crash-guard.js';
import { NOTHING_KNOWN, type OffsetProgress } from './offset-metadata.js';

class Work implements Guarded {
  deaths = 0;
  alone = false;
  completed = false;
  readonly record: { readonly offset: number };
  constructor(offset: number) {
    this.record = { offset };
  }
}

/** One life of a process with a partition: what it starts for these offsets, and what its last commit said. */
class Life {
  readonly guard: CrashGuard<Work>;
  readonly started: Work[] = [];

  constructor(restored: OffsetProgress, offsets: readonly number[], bufferedRecordsMax = 1_000) {
    this.guard = new CrashGuard<Work>(restored, bufferedRecordsMax);
    for (const offset of offsets) {
      const work = new Work(offset);
      if (!this.guard.holds(work)) this.started.push(work);
    }
    this.commit();
  }

  commit(): void {
    this.guard.announce();
    const confirmed = this.guard.confirmed();
    for (const work of confirmed) if (work.alone && !this.guard.announceAlone(work)) this.guard.announce();
    this.started.push(...confirmed, ...this.guard.confirmed());
  }

  complete(offset: number): void {
    this.guard.completed(this.started.find(({ record }) => record.offset === offset)!);
    this.commit();
  }

  die(): OffsetProgress {
    return { isOpen: true, suspects: this.guard.suspects(), completed: [] };
  }

  get offsets(): number[] {
    return this.started.map(({ record }) => record.offset);
  }
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, offset) => offset);

describe('crash guard', () => {
  it('lets nothing start before the partition is marked as owned, then everything at once', () => {
    const guard = new CrashGuard<Work>(NOTHING_KNOWN, 100);
    const [first, second] = [new Work(0), new Work(1)];
    expect([guard.holds(first), guard.wantsCommit, guard.waiting]).toEqual([true, true, 1]);
    guard.announce();
    expect(guard.suspects()).toEqual([]);
    expect(guard.confirmed()).toEqual([first]);
    expect([guard.holds(second), guard.waiting]).toEqual([false, 0]);
  });

  it('is not careful after a partition was handed over', () => {
    expect(new Life(NOTHING_KNOWN, upTo(500)).offsets).toHaveLength(500);
  });

  it('narrows down who kills the process and takes it out after three deaths and one alone', () => {
    const killer = 90;
    const died = (life: Life): boolean => life.offsets.includes(killer);
    const first = new Life(NOTHING_KNOWN, upTo(200));
    expect(died(first)).toBe(true);

    const second = new Life(first.die(), upTo(200));
    expect(second.offsets).toEqual(upTo(128));

    const third = new Life(second.die(), upTo(200));
    expect(third.offsets).toEqual(upTo(8));
    for (let offset = 0; !died(third); offset++) third.complete(offset);
    const suspects = third.die().suspects.filter(({ announced }) => announced);
    expect(suspects.map(({ offset }) => offset)).toEqual([83, 84, 85, 86, 87, 88, 89, 90]);

    const left = upTo(200).slice(83);
    const fourth = new Life(third.die(), left);
    while (!died(fourth)) {
      expect(fourth.started.at(-1)).toMatchObject({ alone: true, deaths: 2 });
      fourth.complete(fourth.offsets.at(-1)!);
    }
    expect(fourth.offsets).toEqual([83, 84, 85, 86, 87, 88, 89, 90]);

    const fifth = new Life(fourth.die(), left.slice(7));
    expect(fifth.started[0]).toMatchObject({ record: { offset: killer }, deaths: 3, alone: false });
    expect(fifth.started.slice(1).every(({ deaths }) => deaths <= 1)).toBe(true);
  });

  it('keeps the deaths of a record that did not come yet', () => {
    const restored = { isOpen: true, suspects: [{ offset: 7, deaths: 1, announced: true }], completed: [] };
    const life = new Life(restored, [3]);
    expect(life.die().suspects).toEqual([
      { offset: 3, deaths: 0, announced: true },
      { offset: 7, deaths: 2, announced: false },
    ]);
  });

  it('forgets a suspect that is gone from the log', () => {
    const restored = { isOpen: false, suspects: [{ offset: 7, deaths: 2, announced: false }], completed: [] };
    expect(new Life(restored, [9]).die().suspects).toEqual([{ offset: 9, deaths: 0, announced: true }]);
  });

  it('announces one that is to run alone only when nothing else runs, so that no other death is counted for it', () => {
    const restored = { isOpen: false, suspects: [{ offset: 3, deaths: 2, announced: false }], completed: [] };
    const guard = new CrashGuard<Work>(restored, 100);
    const suspect = new Work(3);
    guard.holds(suspect);
    guard.announce();
    expect(guard.confirmed()).toEqual([suspect]);
    expect([suspect.alone, guard.suspects()]).toEqual([true, restored.suspects]);
    expect([guard.announceAlone(suspect), guard.wantsCommit]).toEqual([false, true]);
    guard.announce();
    expect([guard.announceAlone(suspect), guard.suspects()]).toEqual([false, [{ offset: 3, deaths: 2, announced: true }]]);
    guard.confirmed();
    expect(guard.announceAlone(suspect)).toBe(true);
  });

  it('tells the next owner of a suspect that was still to run alone, or waited for another try, when the partition went', () => {
    const restored = { isOpen: false, suspects: [{ offset: 3, deaths: 2, announced: false }], completed: [] };
    const guard = new CrashGuard<Work>(restored, 100);
    const suspect = new Work(3);
    guard.holds(suspect);
    guard.announce();
    guard.confirmed();
    guard.letGo(suspect);
    expect([suspect.alone, guard.suspects()]).toEqual([false, restored.suspects]);

    const life = new Life(restored, [3]);
    life.guard.rests(life.started[0]!);
    expect(life.guard.suspects()).toEqual(restored.suspects);
  });

  it('lets one that has to run alone try again alone', async () => {
    const life = new Life({ isOpen: false, suspects: [{ offset: 0, deaths: 2, announced: false }], completed: [] }, [0, 1]);
    const suspect = life.started[0]!;
    expect(life.guard.rests(suspect)).toBe(true);
    life.commit();
    expect([suspect.alone, life.offsets]).toEqual([false, [0, 1]]);
    const returned = life.guard.returns(suspect);
    expect([suspect.alone, life.guard.wantsCommit]).toEqual([true, false]);
    life.guard.announceAlone(suspect);
    life.commit();
    await returned;
    expect(life.die().suspects).toContainEqual({ offset: 0, deaths: 2, announced: true });
    life.complete(0);
    expect(life.die().suspects).toEqual([{ offset: 1, deaths: 0, announced: true }]);
  });

  it('is done being careful after twice as many records as a buffer is meant to hold', () => {
    const life = new Life({ ...NOTHING_KNOWN, isOpen: true }, upTo(1_000), 50);
    expect(life.offsets).toHaveLength(1_000);
    expect(life.guard.suspects()).toHaveLength(100);
  });
});
