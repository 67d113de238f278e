import type { WindowQuota } from '../parallel-consumer-options.js';
import { BulkheadState, type Schedulable, TenantState } from './bulkhead-state.js';
import { Gate } from './gate.js';
import { LinkedLine } from './linked-line.js';
import { Turns } from './turns.js';

/** Tasks started and not released, for each slot: what gave its slot back waits for the log, and that must not pile up. */
const STARTED_PER_SLOT = 2;

/**
 * Decides which record runs next.
 *
 * A task is ready when no other of its order key is ready or running; ready tasks wait in their bulkhead. The turn goes by deficit
 * round robin whose cost is the slot that a call holds for as long as it runs: the tenant that holds the fewest slots is served first,
 * of its bulkheads the one that holds the fewest, equals take turns. So a tenant with a thousand functions gets as much as one with a
 * single function, one with thousands of slow calls waiting gets a fair share of the slots and no more, and one with a single record
 * gets the next free slot. A bulkhead at its limit stands aside until one of its calls ends (or `recheck`), and so does a task for as
 * long as `asideOf` says, until it is `readied`; its order key waits with it.
 *
 * Tasks that must run alone have their turn before all others, one after the other: what others run has to end only once for them.
 *
 * A step costs no more than the lines of `Turns` it moves over: one, when a call starts or ends.
 */
export class Scheduler<T extends Schedulable<T>> {
  /** Delivered and not started. */
  queued = 0;
  inFlight = 0;
  /** Gave their slot back and go on. */
  yielded = 0;
  /** Has an entry for each order key that is ready or running: the tasks behind that one, null for none yet. */
  readonly #waiting = new Map<string, LinkedLine<T> | null>();
  readonly #bulkheads = new Map<string, BulkheadState<T>>();
  readonly #tenants = new Map<string, TenantState<T>>();
  readonly #nobodys = new TenantState<T>(null);
  readonly #unbounded = new BulkheadState<T>(null, this.#nobodys);
  readonly #turns = new Turns<TenantState<T>>();
  readonly #full = new LinkedLine<BulkheadState<T>>();
  /** Ready, and to run alone. */
  readonly #lonely = new LinkedLine<T>();
  /** Its turn has come and it waits until nothing else runs, or it runs. */
  #alone: T | null = null;
  /** Closed meanwhile and until what it did is settled: another try of what was started before waits too. */
  readonly others = new Gate();
  /** Started, and between two tries: what rests so may do so for ever, and kills nobody. */
  #resting = 0;

  constructor(
    private readonly maxInFlight: number,
    /** The limit of the task's bulkhead as it is now. */
    private readonly limitOf: (task: T) => number,
    /** Besides nothing else running, what a task that must run alone waits for, and others after it. Asked again at each `next`. */
    private readonly isSettled: () => boolean = () => true,
    /** Where a task has to stand although its turn has come; null when it may start. */
    private readonly asideOf: (task: T) => LinkedLine<T> | null = () => null,
  ) {}

  enqueue(task: T): void {
    this.queued++;
    this.#bulkheadOf(task).queued.add(task);
    if (task.orderKey === null || !this.#waiting.has(task.orderKey)) {
      if (task.orderKey !== null) this.#waiting.set(task.orderKey, null);
      this.#makeReady(task);
      return;
    }
    let waiting = this.#waiting.get(task.orderKey) ?? null;
    if (waiting === null) this.#waiting.set(task.orderKey, (waiting = new LinkedLine<T>()));
    waiting.push(task);
  }

  /**
   * The task to start now, or to try again alone; it holds its slot and its order key until `yieldSlot` or `release`. Null when none may
   * start.
   */
  next(): T | null {
    this.#letOthers();
    if (this.#alone !== null && this.isBusy) return null;
    const task = this.#alone ?? this.#nextLonely() ?? this.#pick();
    if (task === null) return null;
    if (task.alone) {
      this.isolate(task);
      if (this.isBusy || !this.isSettled()) return null;
    }
    this.rests(task, false);
    if (task.running) return task;
    const bulkhead = this.#bulkheadOf(task);
    task.line?.remove(task);
    task.running = true;
    this.queued--;
    this.inFlight++;
    bulkhead.queued.remove(task);
    bulkhead.running++;
    bulkhead.tenant.running++;
    this.#place(bulkhead);
    return task;
  }

  /** Its first try begins: how long that takes counts from now on. */
  called(task: T, nowMs: number): void {
    this.#bulkheadOf(task).called(task, nowMs);
  }

  /** Nothing is started until it has run alone: the next to start, or one that was started and waits for another try. */
  isolate(task: T): void {
    this.#alone = task;
    this.others.close();
  }

  /** A task that ran alone may run beside others from now on; they go on once that is settled, too. */
  share(task: T): void {
    if (this.#alone === task) this.#alone = null;
  }

  /** A started task waits for another try, or goes on with it. */
  rests(task: T, isResting: boolean): void {
    if (task.resting === isResting) return;
    task.resting = isResting;
    this.#resting += isResting ? 1 : -1;
  }

  /** It could start now: there is a slot, and room in its bulkhead. */
  hasRoomFor(task: T): boolean {
    return this.others.isOpen && this.#hasSlot && this.#hasRoom(this.#bulkheadOf(task), task);
  }

  /** What stood aside has its turn again, the first of its bulkhead. */
  readied(task: T): void {
    const bulkhead = this.#bulkheadOf(task);
    task.line?.remove(task);
    bulkhead.ready.pushFirst(task);
    this.#place(bulkhead);
  }

  /** The task goes on without its slot and its order key; one that runs alone keeps them. */
  yieldSlot(task: T, nowMs = 0): void {
    if (!task.running || this.#alone === task) return;
    this.#free(task, nowMs);
    this.yielded++;
  }

  /** The task ended, whatever came of it. */
  release(task: T, nowMs = 0): void {
    this.share(task);
    if (task.running) this.#free(task, nowMs);
    else this.yielded--;
  }

  /** Takes out a task that has not started. */
  remove(task: T): void {
    const bulkhead = this.#bulkheadOf(task);
    const isBehind = task.orderKey !== null && task.line === this.#waiting.get(task.orderKey);
    this.share(task);
    task.line?.remove(task);
    this.queued--;
    bulkhead.queued.remove(task);
    if (!isBehind) this.#freeKey(task);
    this.#place(bulkhead);
  }

  /** Takes out what bulkheads hold beyond their quota, the youngest first, so that of an order key it is always the last. */
  takeSurplus({ callMs, worksOffMs }: WindowQuota, nowMs: number): T[] {
    const surplus: T[] = [];
    for (const bulkhead of this.#bulkheads.values()) {
      // One that calls nothing waits for its turn, or for the log, and that is not its fault.
      if (bulkhead.calls === 0 || bulkhead.queued.size <= bulkhead.running) continue;
      const takesMs = bulkhead.callMs(nowMs);
      if (takesMs < callMs) continue;
      const quota = Math.max(bulkhead.running, Math.floor((worksOffMs * bulkhead.running) / takesMs));
      for (let task = bulkhead.queued.youngest; task !== null && bulkhead.queued.size > quota; ) {
        const { older } = task;
        if (!task.alone) {
          this.remove(task);
          surplus.push(task);
        }
        task = older;
      }
    }
    return surplus;
  }

  /** Limits may have grown: bulkheads that stand aside are looked at again. */
  recheck(): void {
    this.#letOthers();
    for (let bulkhead = this.#full.first; bulkhead !== null; bulkhead = this.#full.first) this.#place(bulkhead);
  }

  inFlightByBulkhead(): Record<string, number> {
    const held: Record<string, number> = {};
    for (const { key, running } of this.#bulkheads.values()) if (key !== null && running > 0) held[key] = running;
    return held;
  }

  /** Something was started that has not ended and does not wait for another try. */
  get isBusy(): boolean {
    return this.#started > this.#resting;
  }

  get #started(): number {
    return this.inFlight + this.yielded;
  }

  #free(task: T, nowMs: number): void {
    const bulkhead = this.#bulkheadOf(task);
    task.running = false;
    this.inFlight--;
    bulkhead.ended(task, nowMs);
    bulkhead.tenant.running--;
    this.#freeKey(task);
    this.#place(bulkhead);
  }

  #makeReady(task: T): void {
    const bulkhead = this.#bulkheadOf(task);
    (task.alone ? this.#lonely : bulkhead.ready).push(task);
    if (bulkhead.line === null) this.#place(bulkhead);
  }

  #freeKey(task: T): void {
    if (task.orderKey === null) return;
    const waiting = this.#waiting.get(task.orderKey) ?? null;
    const successor = waiting?.first ?? null;
    if (waiting === null || successor === null) {
      this.#waiting.delete(task.orderKey);
      return;
    }
    waiting.remove(successor);
    this.#makeReady(successor);
  }

  #bulkheadOf(task: T): BulkheadState<T> {
    if (task.bulkheadKey === null) return this.#unbounded;
    let bulkhead = this.#bulkheads.get(task.bulkheadKey);
    if (bulkhead === undefined) {
      const tenant = this.#tenantOf(task.tenantKey);
      tenant.size++;
      this.#bulkheads.set(task.bulkheadKey, (bulkhead = new BulkheadState<T>(task.bulkheadKey, tenant)));
    }
    return bulkhead;
  }

  #tenantOf(key: string | null): TenantState<T> {
    if (key === null) return this.#nobodys;
    let tenant = this.#tenants.get(key);
    if (tenant === undefined) this.#tenants.set(key, (tenant = new TenantState<T>(key)));
    return tenant;
  }

  #place(bulkhead: BulkheadState<T>): void {
    const { tenant } = bulkhead;
    if (bulkhead.ready.first !== null) tenant.turns.stand(bulkhead);
    else {
      bulkhead.line?.remove(bulkhead);
      if (bulkhead.running === 0 && bulkhead.queued.size === 0) this.#forget(bulkhead);
    }
    this.#placeTenant(tenant);
  }

  #placeTenant(tenant: TenantState<T>): void {
    if (tenant.turns.first() !== null) this.#turns.stand(tenant);
    else tenant.line?.remove(tenant);
  }

  #forget({ key, tenant }: BulkheadState<T>): void {
    if (key === null || !this.#bulkheads.delete(key)) return;
    if (--tenant.size === 0 && tenant.key !== null) this.#tenants.delete(tenant.key);
  }

  #hasRoom({ key, running }: BulkheadState<T>, task: T): boolean {
    return key === null || running < this.limitOf(task);
  }

  get #hasSlot(): boolean {
    return this.inFlight < this.maxInFlight && this.#started < this.maxInFlight * STARTED_PER_SLOT;
  }

  #letOthers(): void {
    if (this.#alone === null && !this.others.isOpen && this.isSettled()) this.others.open();
  }

  #nextLonely(): T | null {
    if (!this.#hasSlot) return null;
    for (let task = this.#lonely.first; task !== null; task = task.after) if (this.#hasRoom(this.#bulkheadOf(task), task)) return task;
    return null;
  }

  #pick(): T | null {
    if (!this.others.isOpen || !this.#hasSlot) return null;
    for (let tenant = this.#turns.first(); tenant !== null; tenant = this.#turns.first()) {
      for (let bulkhead = tenant.turns.first(); bulkhead !== null; bulkhead = tenant.turns.first()) {
        const task = bulkhead.ready.first;
        if (task === null) return null;
        if (this.#hasRoom(bulkhead, task)) {
          const aside = this.asideOf(task);
          if (aside === null) return task;
          bulkhead.ready.remove(task);
          aside.push(task);
          this.#place(bulkhead);
        } else {
          bulkhead.line?.remove(bulkhead);
          this.#full.push(bulkhead);
        }
      }
      this.#placeTenant(tenant);
    }
    return null;
  }
}
