import type { Clock } from './clock.js';

/** Longer than the loop is busy between two readings, of which each tick makes one: the process was stopped. */
const STOPPED_MS = 1_000;

/** Monotonic time that stands still while the process does: no function is slow because of a stop that its calls fell into. */
export class RunningTime {
  #readAtMs: number;
  #stoppedMs = 0;

  constructor(private readonly clock: Pick<Clock, 'nowMs'>) {
    this.#readAtMs = clock.nowMs();
  }

  nowMs(): number {
    const nowMs = this.clock.nowMs();
    if (nowMs - this.#readAtMs > STOPPED_MS) this.#stoppedMs += nowMs - this.#readAtMs;
    this.#readAtMs = nowMs;
    return nowMs - this.#stoppedMs;
  }
}
