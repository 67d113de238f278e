import type { Clock } from '../src/consumer/clock.js';
import { Chance } from './simulation/chance.js';
import { SimulatedProcess } from './simulation/simulated-process.js';
import { VirtualTime } from './simulation/virtual-time.js';

const STEP_MS = 5;

/** A clock that goes on only while a test waits for something. */
export class ManualTime {
  readonly #time = new VirtualTime();
  readonly #process = new SimulatedProcess('test', this.#time, new Chance(1));
  readonly clock: Clock = this.#process;

  /** As for a process that is stopped for so long. */
  readonly jump = (byMs: number): void => this.#process.jump(byMs);

  readonly wait = (delayMs: number): Promise<void> => new Promise((resolve) => this.clock.after(delayMs, resolve));

  readonly elapse = (delayMs: number): Promise<void> => this.#time.run(this.#time.nowMs + delayMs);

  /** Until the promise settles. */
  readonly passing = async <T>(promise: Promise<T>): Promise<T> => {
    let isSettled = false;
    const settle = (): void => void (isSettled = true);
    promise.then(settle, settle);
    await this.#time.run(this.#time.nowMs + 60_000, () => isSettled);
    if (!isSettled) throw new Error('still pending after a minute');
    return promise;
  };

  readonly eventually = async (assertion: () => void, withinMs = 15_000): Promise<void> => {
    const endMs = this.#time.nowMs + withinMs;
    for (;;) {
      await this.elapse(STEP_MS);
      try {
        return assertion();
      } catch (error) {
        if (this.#time.nowMs >= endMs) throw error;
      }
    }
  };
}
