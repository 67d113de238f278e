import type { Clock } from '../../src/consumer/clock.js';
import type { Chance } from './chance.js';
import type { VirtualTime } from './virtual-time.js';

/** One life of an operating system process: nothing reaches it after its death, and while it is stopped everything waits. */
export class SimulatedProcess implements Clock {
  isDead = false;
  #aheadMs: number;
  #waiting: (() => void)[] | null = null;

  constructor(
    readonly name: string,
    private readonly time: VirtualTime,
    readonly chance: Chance,
  ) {
    // A monotonic clock begins anywhere.
    this.#aheadMs = chance.between(0, 1_000_000);
  }

  get isFrozen(): boolean {
    return this.#waiting !== null;
  }

  nowMs(): number {
    return this.time.nowMs + this.#aheadMs;
  }

  random(): number {
    return this.chance.next();
  }

  after(delayMs: number, callback: () => void): () => void {
    let cancelled = false;
    const reach = (): void => {
      if (!cancelled && !this.isDead) callback();
    };
    const cancel = this.time.after(delayMs, () => {
      if (this.#waiting === null) reach();
      else this.#waiting.push(reach);
    });
    return () => {
      cancelled = true;
      cancel();
    };
  }

  every(intervalMs: number, callback: () => void): () => void {
    let cancel = (): void => {};
    const again = (): void => {
      cancel = this.after(intervalMs, again);
      callback();
    };
    cancel = this.after(intervalMs, again);
    return () => cancel();
  }

  nextTurn(callback: () => void): void {
    this.after(0, callback);
  }

  wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, resolve));
  }

  /** Its clock goes ahead, its timers do not. */
  jump(byMs: number): void {
    this.#aheadMs += byMs;
  }

  die(): void {
    this.isDead = true;
    this.#waiting = null;
  }

  freeze(): void {
    this.#waiting ??= [];
  }

  thaw(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const reach of waiting) this.time.after(0, reach);
  }
}
