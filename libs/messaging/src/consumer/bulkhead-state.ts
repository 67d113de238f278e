import { Arrivals, type Arrived } from './arrivals.js';
import { LinkedLine, type InLine } from './linked-line.js';
import { type Contender, Turns } from './turns.js';

const WEIGHT_OF_LAST_CALL = 1 / 8;
/** It holds its slot and waits to be announced. */
export const NOT_CALLED = -1;

export interface Schedulable<T extends InLine<T> & Arrived<T>> extends InLine<T>, Arrived<T> {
  readonly orderKey: string | null;
  readonly bulkheadKey: string | null;
  /** Whose bulkhead it is; of one bulkhead it is always the same. */
  readonly tenantKey: string | null;
  /** Holds a slot. */
  running: boolean;
  /** Between two tries. */
  resting: boolean;
  /** `NOT_CALLED` until then. */
  calledAtMs: number;
  /** Starts when nothing else runs, and nothing else starts meanwhile. */
  readonly alone: boolean;
}

/** Whose bulkheads they are, and what they hold of the slots together. */
export class TenantState<T extends Schedulable<T>> implements Contender<TenantState<T>> {
  before: TenantState<T> | null = null;
  after: TenantState<T> | null = null;
  line: LinkedLine<TenantState<T>> | null = null;
  running = 0;
  /** Bulkheads that have something ready or running. */
  size = 0;
  readonly turns = new Turns<BulkheadState<T>>();

  constructor(readonly key: string | null) {}
}

/** What a function has ready, waiting and running. */
export class BulkheadState<T extends Schedulable<T>> implements Contender<BulkheadState<T>> {
  before: BulkheadState<T> | null = null;
  after: BulkheadState<T> | null = null;
  /** Null while nothing is ready. */
  line: LinkedLine<BulkheadState<T>> | null = null;
  running = 0;
  readonly ready = new LinkedLine<T>();
  /** Not started, those behind their order key included. */
  readonly queued = new Arrivals<T>();
  /** Of the running, those whose call has begun. */
  calls = 0;
  #callsMs = 0;
  #endedCallMs = 0;

  constructor(
    readonly key: string | null,
    readonly tenant: TenantState<T>,
  ) {}

  called(task: T, atMs: number): void {
    task.calledAtMs = atMs;
    this.calls++;
    this.#callsMs += atMs;
  }

  ended({ calledAtMs }: T, nowMs: number): void {
    this.running--;
    if (calledAtMs === NOT_CALLED) return;
    this.calls--;
    this.#callsMs -= calledAtMs;
    this.#endedCallMs += (nowMs - calledAtMs - this.#endedCallMs) * WEIGHT_OF_LAST_CALL;
  }

  /** How long a call takes, by those that ended and by those that run: calls that hang do not end. */
  callMs(nowMs: number): number {
    return Math.max(this.#endedCallMs, this.calls === 0 ? 0 : nowMs - this.#callsMs / this.calls);
  }
}
