import type { Clock } from './clock.js';
import type { Scheduler } from './scheduler.js';
import type { Task } from './task.js';

/** Handlers started before the event loop gets its turn, so that handlers that return at once do not keep sockets waiting. */
const STARTS_PER_TURN = 256;

/** Starts what the scheduler gives, while the partitions are ours for certain. */
export class Dispatcher {
  #startedThisTurn = 0;
  #wakeIsDue = false;

  constructor(
    private readonly scheduler: Scheduler<Task>,
    private readonly clock: Clock,
    private readonly mayStart: () => boolean,
    private readonly run: (task: Task) => void,
  ) {}

  /** Starts what may run, after the caller has returned. */
  wake(): void {
    if (this.#wakeIsDue) return;
    this.#wakeIsDue = true;
    queueMicrotask(() => {
      this.#wakeIsDue = false;
      this.start();
    });
  }

  start(): void {
    const nowMs = this.clock.nowMs();
    // Asked for each: the process may have been stopped between two of them.
    while (this.#startedThisTurn < STARTS_PER_TURN && this.mayStart()) {
      const task = this.scheduler.next(nowMs);
      if (task === null) return;
      if (this.#startedThisTurn++ === 0) this.clock.nextTurn(this.#nextTurn);
      this.run(task);
    }
  }

  readonly #nextTurn = (): void => {
    this.#startedThisTurn = 0;
    this.start();
  };
}
