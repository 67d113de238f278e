import { LinkedLine, type InLine } from './linked-line.js';
import { type OffsetProgress, type Suspect, SUSPECTS_MAX } from './offset-metadata.js';

/**
 * Keeps a record that kills the process from taking the others down for ever (guarantees.md §3).
 *
 * Whoever owns a partition writes so beside its offset before the first record starts ("open"), and takes it back when it hands the
 * partition over. An owner that finds it open knows that a process died, unless it was itself: a session may end without anybody dying,
 * and an outage of the broker must not make suspects of what it interrupted. From then on records are suspected, those that the process
 * may have had: one whose turn has come is announced in the commit metadata before it starts, so that the next death is counted for
 * exactly those that may have caused it:
 *
 *   deaths  0 (a death is known, not whose)   128 at once
 *           1                                   8 at once, so that few are suspected twice
 *           2, with the first one three         alone: announced when nothing else runs in the process any more
 *           3                                   never again: `unprocessable`
 *
 * A record without a place stands aside with its order key, and what lies behind it goes on. One that ends, whatever comes of it, gives its
 * place back; one that waits for another try does so meanwhile and is announced again, alone if it has to be. The process that died had no
 * record that came after its death, and no more than its buffer: what is delivered later starts unannounced again.
 */
export const DEATHS_MAX = 3;
const ALONE_AT = DEATHS_MAX - 1;
const PLACES = [128, 8] as const;
/** The buffer may be half over its bound after an assignment, and a fetch comes in whole. */
const BUFFERS = 2;

export interface Guarded<T extends InLine<T>> extends InLine<T> {
  readonly record: { readonly offset: number };
  /** How often a process died while it may have run. */
  deaths: number;
  /** Announced before it starts. */
  suspected: boolean;
  /** Announced and started when nothing else runs, and nothing else starts meanwhile. */
  alone: boolean;
  readonly completed: boolean;
}

interface Announcement<T> {
  readonly task: T;
  readonly begin: () => void;
}

/** Places are counted apart for those that no death is counted for (0) and for those that have one or more (1). */
const kindOf = ({ deaths }: { readonly deaths: number }): 0 | 1 => (deaths === 0 ? 0 : 1);

export class CrashGuard<T extends Guarded<T>> {
  /** What found no place, by kind. */
  readonly aside = [new LinkedLine<T>(), new LinkedLine<T>()] as const;
  /** Deaths of records that have not come yet, by offset, ascending. */
  readonly #expected: Map<number, number>;
  /** Delivered and not completed, with a death or more. */
  readonly #suspects = new Set<T>();
  readonly #announced = [new Set<T>(), new Set<T>()] as const;
  /** To be said with the next commit, and said with one that is under way or failed. */
  #unsaid: Announcement<T>[] = [];
  #said: Announcement<T>[] = [];
  /** Delivered before the partition was marked as owned. */
  #held: T[] = [];
  #isOpen = false;
  /** How many more of the delivered records are suspected. */
  #careful: number;
  /** The end of the log when the process that died was dead for certain. */
  #endOffset = Infinity;

  constructor(
    restored: OffsetProgress,
    bufferedRecordsMax: number,
    /** It stands open, yet by this very process, which lost the partition and has it again. */
    nobodyDied = false,
  ) {
    this.#expected = new Map(
      restored.suspects.map(({ offset, deaths, announced }) => [offset, deaths + (announced && restored.isOpen && !nobodyDied ? 1 : 0)]),
    );
    this.#careful = restored.isOpen || this.#expected.size > 0 ? BUFFERS * bufferedRecordsMax : 0;
  }

  /** Delivered records are suspected. */
  get isCareful(): boolean {
    return this.#careful > 0;
  }

  /** Records from this offset on came later than the death that they would be announced for. */
  endsBefore(offset: number): void {
    this.#endOffset = offset;
  }

  /** Delivered records that nothing may be done with before a commit. */
  get waiting(): number {
    return this.#held.length;
  }

  /** Something is to be said in a commit, or was and is not acknowledged. */
  get awaitsCommit(): boolean {
    return this.#held.length + this.#unsaid.length + this.#said.length > 0;
  }

  /** Takes in a delivered record; false when it need not wait for the partition to be marked as owned. */
  holds(task: T): boolean {
    if (this.#careful > 0) this.#suspect(task);
    if (!this.#isOpen) this.#held.push(task);
    return !this.#isOpen;
  }

  /** How many more of a kind may be announced now. */
  places(kind: 0 | 1): number {
    // What the text beside the offset has no room for would be forgotten; a few are better than none while the suspects have yet to come.
    const max = kind === 1 ? PLACES[1] : Math.max(PLACES[1], Math.min(PLACES[0], SUSPECTS_MAX - this.#expected.size - this.#suspects.size));
    return max - this.#announced[kind].size;
  }

  /** Where a record has to stand until there is a place for it; null when there is one. One that runs alone needs none. */
  asideOf(task: T): LinkedLine<T> | null {
    const kind = kindOf(task);
    return task.alone || this.places(kind) > 0 ? null : this.aside[kind];
  }

  /** It has its turn, or is to try again: said with the next commit, and it begins once that is acknowledged. */
  announce(task: T, begin: () => void): void {
    this.#announced[kindOf(task)].add(task);
    this.#unsaid.push({ task, begin });
  }

  /** What the commit says that is about to be made: announced records, and suspects that are not. Ascending. */
  tell(): Suspect[] {
    this.#said.push(...this.#unsaid);
    this.#unsaid = [];
    const suspects: Suspect[] = [];
    for (const [offset, deaths] of this.#expected) suspects.push({ offset, deaths, announced: false });
    for (const task of this.#suspects)
      suspects.push({ offset: task.record.offset, deaths: task.deaths, announced: this.#announced[1].has(task) });
    for (const { record } of this.#announced[0]) suspects.push({ offset: record.offset, deaths: 0, announced: true });
    return suspects.sort((a, b) => a.offset - b.offset);
  }

  /** The commit is acknowledged: what it announced begins, and what waited for the mark is returned. */
  confirmed(): T[] {
    this.#isOpen = true;
    for (const { task, begin } of this.#said.splice(0)) if (this.#announced[kindOf(task)].has(task)) begin();
    return this.#held.splice(0);
  }

  /** It does not run any more or not yet: it waits for another try, or its partition goes. True when a commit is to say so. */
  withdraw(task: T): boolean {
    return task.suspected && this.#announced[kindOf(task)].delete(task);
  }

  completed(task: T): void {
    if (!task.suspected) return;
    this.#announced[kindOf(task)].delete(task);
    this.#suspects.delete(task);
  }

  #suspect(task: T): void {
    const { offset } = task.record;
    for (const expected of this.#expected.keys()) {
      if (expected >= offset) break;
      // Gone from the log, or completed.
      this.#expected.delete(expected);
    }
    task.deaths = this.#expected.get(offset) ?? 0;
    task.alone = task.deaths === ALONE_AT;
    task.suspected = task.deaths > 0 || offset < this.#endOffset;
    if (this.#expected.delete(offset)) this.#suspects.add(task);
    if (this.#expected.size === 0) this.#careful = offset < this.#endOffset ? this.#careful - 1 : 0;
    else this.#careful = Math.max(1, this.#careful - 1);
  }
}
