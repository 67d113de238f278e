import type { OffsetProgress, Suspect } from './offset-metadata.js';

/**
 * Keeps a record that kills the process from taking the others down for ever (guarantees.md §3).
 *
 * Whoever owns a partition writes so beside its offset before the first record starts ("open"), and takes it back when it hands the
 * partition over. An owner that finds it open knows that a process died, unless it was itself: a session may end without anybody dying,
 * and an outage of the broker must not make suspects of what it interrupted. From then on a record is announced in the commit metadata
 * before it starts, so that the next death is counted for exactly those that may have caused it:
 *
 *   deaths  0 (a death is known, not whose)   128 at once
 *           1                                   8 at once, so that few are suspected twice
 *           2, with the first one three         alone: announced when nothing else runs in the process any more
 *           3                                   never again: `unprocessable`
 *
 * A record that ends, whatever comes of it, is cleared; one that waits for another try is cleared meanwhile and announced again, alone if
 * it has to be. When all records have passed that the process may have had, and every suspect was seen, records start unannounced again.
 * It had none that came after its death, and no more than its buffer.
 */
export const DEATHS_MAX = 3;
const ALONE_AT = DEATHS_MAX - 1;
const ANNOUNCED_MAX = [128, 8] as const;
/** The buffer may be half over its bound after an assignment, and a fetch comes in whole. */
const BUFFERS = 2;

export interface Guarded {
  readonly record: { readonly offset: number };
  deaths: number;
  alone: boolean;
  readonly completed: boolean;
}

interface Returning<T> {
  readonly task: T;
  readonly tryAgain: () => void;
}

const mustRunAlone = ({ deaths }: Guarded): boolean => deaths === ALONE_AT;

export class CrashGuard<T extends Guarded> {
  /** Deaths of records that have not come yet, by offset, ascending. */
  readonly #expected: Map<number, number>;
  readonly #announced = new Map<number, T>();
  #waiting: T[] = [];
  #unconfirmed: T[] = [];
  /** To run alone, and how to go on then. Not announced before nothing else runs: what kills the process until then is not one of these. */
  readonly #apart = new Map<T, () => void>();
  /** Not announced: waiting for another try, or about to go with their partition. */
  readonly #resting = new Set<T>();
  /** Completed while it ran, which failed: about to try again alone like any other of its kind, though nobody is to be told. */
  readonly #outlived = new Map<T, () => void>();
  /** About to try again, once announced and once the commit that says so is acknowledged. */
  #returning: Returning<T>[] = [];
  #returned: Returning<T>[] = [];
  #isOpen = false;
  #isClosed = false;
  /** How many more records are announced before they start. */
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

  /** Records are announced before they start. */
  get isCareful(): boolean {
    return this.#careful > 0;
  }

  /** Records from this offset on came later than the death that they would be announced for. */
  endsBefore(offset: number): void {
    this.#endOffset = offset;
  }

  /** Delivered records that may not start, or not try again, before a commit. */
  get waiting(): number {
    return this.#waiting.length + this.#unconfirmed.length + this.#returning.length + this.#returned.length;
  }

  /** A commit now would let waiting records start. */
  get wantsCommit(): boolean {
    if (!this.#isOpen || this.#unconfirmed.length + this.#returning.length + this.#returned.length > 0) return this.waiting > 0;
    const [next] = this.#waiting;
    return next !== undefined && this.#announced.size <= this.#room(next) / 2 && this.#mayAnnounce(next);
  }

  /** Takes in a delivered record; false when it may start at once. */
  holds(task: T): boolean {
    // Behind one that waits for its commit, too: it may have the same order key.
    if (this.#isOpen && this.#careful === 0 && this.waiting === 0) return false;
    for (const offset of this.#expected.keys()) {
      if (offset >= task.record.offset) break;
      // Gone from the log, or completed.
      this.#expected.delete(offset);
    }
    task.deaths = this.#expected.get(task.record.offset) ?? 0;
    this.#expected.delete(task.record.offset);
    if (task.record.offset >= this.#endOffset && !this.#expectsSuspects()) {
      this.#careful = Math.min(this.#careful, this.#waiting.length);
      if (this.#isOpen && this.waiting === 0) return false;
    }
    this.#waiting.push(task);
    return true;
  }

  /** A commit is about to be made: as many as may run are announced in it. */
  announce(): void {
    for (const { task } of this.#returning) this.#announced.set(task.record.offset, task);
    this.#returned.push(...this.#returning);
    this.#returning = [];
    let next = this.#waiting[0];
    while (this.#careful > 0 && next !== undefined && this.#mayAnnounce(next)) {
      this.#waiting.shift();
      this.#unconfirmed.push(next);
      if (mustRunAlone(next)) this.#setApart(next);
      else this.#announced.set(next.record.offset, next);
      if (this.#careful > 1 || !this.#expectsSuspects()) this.#careful--;
      next = this.#waiting[0];
    }
  }

  /** Nothing else runs, so it is announced with the next commit; true once that is acknowledged. */
  announceAlone(task: T): boolean {
    this.#outlived.get(task)?.();
    if (this.#outlived.delete(task)) return true;
    const isIt = (each: Returning<T>): boolean => each.task === task;
    if (this.#announced.has(task.record.offset)) return !this.#returned.some(isIt);
    const tryAgain = this.#apart.get(task);
    if (tryAgain !== undefined && !this.#returning.some(isIt)) this.#returning.push({ task, tryAgain });
    return false;
  }

  /** What the commit says: announced records, and suspects that have not come yet. Ascending. */
  suspects(): Suspect[] {
    const suspects: Suspect[] = [];
    for (const [offset, { deaths }] of this.#announced) suspects.push({ offset, deaths, announced: true });
    for (const { record, deaths } of [...this.#apart.keys(), ...this.#resting, ...this.#waiting])
      if (deaths > 0 && !this.#announced.has(record.offset)) suspects.push({ offset: record.offset, deaths, announced: false });
    for (const [offset, deaths] of this.#expected) suspects.push({ offset, deaths, announced: false });
    return suspects.sort((a, b) => a.offset - b.offset);
  }

  /** The commit is acknowledged: these may start. */
  confirmed(): T[] {
    this.#isOpen = true;
    for (const { tryAgain } of this.#returned.splice(0)) tryAgain();
    const confirmed = this.#unconfirmed;
    this.#unconfirmed = [];
    if (this.#careful > 0) return confirmed;
    const rest = this.#waiting;
    this.#waiting = [];
    return [...confirmed, ...rest];
  }

  /** Its partition goes before it ran: it waits for nothing any more, and stays a suspect for whoever owns it next. True when a commit is to say so. */
  letGo(task: T): boolean {
    this.#waitsNoMore(task);
    if (task.deaths > 0) this.#resting.add(task);
    return this.#announced.delete(task.record.offset);
  }

  completed(task: T): void {
    this.#resting.delete(task);
    if (this.#announced.size + this.#apart.size === 0) return;
    this.#announced.delete(task.record.offset);
    this.#waitsNoMore(task);
  }

  /** It waits for another try, and who runs alone meanwhile must not be suspected together with it. True when a commit is to say so. */
  rests(task: T): boolean {
    this.#waitsNoMore(task);
    if (!this.#announced.delete(task.record.offset)) return false;
    this.#resting.add(task);
    return true;
  }

  /** Resolves when it may try again; null when it may at once. */
  returns(task: T): Promise<void> | null {
    if (task.completed) return mustRunAlone(task) ? this.#outlives(task) : null;
    if (this.#isClosed || !this.#resting.delete(task)) return null;
    return new Promise((tryAgain) => {
      if (mustRunAlone(task)) this.#setApart(task, tryAgain);
      else this.#returning.push({ task, tryAgain });
    });
  }

  close(): void {
    this.#isClosed = true;
    for (const task of this.#apart.keys()) this.#waitsNoMore(task);
    for (const { tryAgain } of [...this.#returning, ...this.#returned]) tryAgain();
  }

  #expectsSuspects(): boolean {
    return this.#expected.size > 0 || this.#waiting.some(({ deaths }) => deaths > 0);
  }

  #room({ deaths }: T): number {
    return ANNOUNCED_MAX[Math.min(deaths, ANNOUNCED_MAX.length - 1)] ?? 0;
  }

  #setApart(task: T, goOn = (): void => {}): void {
    task.alone = true;
    this.#apart.set(task, goOn);
  }

  #outlives(task: T): Promise<void> {
    task.alone = true;
    return new Promise((tryAgain) => this.#outlived.set(task, tryAgain));
  }

  #waitsNoMore(task: T): void {
    task.alone = false;
    this.#apart.get(task)?.();
    this.#apart.delete(task);
  }

  #mayAnnounce(task: T): boolean {
    if (this.#apart.size > 0) return false;
    if (mustRunAlone(task)) return this.#announced.size === 0;
    return this.#announced.size < this.#room(task);
  }
}
