import type { Clock } from './clock.js';
import type { RunningTime } from './running-time.js';
import type { Scheduler } from './scheduler.js';
import type { Task } from './task.js';

/** Handlers started before the event loop gets its turn, so that handlers that return at once do not keep sockets waiting. */
const STARTS_PER_TURN = 256;

/** Starts what the scheduler gives, while the partitions are ours for certain. */
export class Dispatcher {
  /** Have their slots; those that gave them back meanwhile are another owner's. */
  readonly #announced: Task[] = [];
  #startedThisTurn = 0;
  #wakeIsDue = false;

  constructor(
    private readonly scheduler: Scheduler<Task>,
    private readonly clock: Clock,
    private readonly runningTime: RunningTime,
    private readonly mayStart: () => boolean,
    /** Gives those their turn back that stood aside and may start; false when there are none. */
    private readonly readyAside: (scheduler: Scheduler<Task>) => boolean,
    private readonly starts: (task: Task, nowMs: number) => void,
    private readonly begins: (task: Task, nowMs: number) => void,
  ) {}

  /** Begins it as soon as it may, since it was announced by now. */
  begin(task: Task): void {
    this.#announced.push(task);
    this.wake();
  }

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
    const nowMs = this.runningTime.nowMs();
    // They are older than what is ready.
    this.readyAside(this.scheduler);
    // Asked for each: the process may have been stopped between two of them.
    while (this.#startedThisTurn < STARTS_PER_TURN && this.mayStart()) {
      const announced = this.#announced.shift();
      const task = announced ?? this.scheduler.next();
      if (task !== null) {
        if (this.#startedThisTurn++ === 0) this.clock.nextTurn(this.#nextTurn);
        if (announced === undefined) this.starts(task, nowMs);
        else if (task.running) this.begins(task, nowMs);
      } else if (!this.readyAside(this.scheduler)) return;
    }
  }

  readonly #nextTurn = (): void => {
    this.#startedThisTurn = 0;
    this.start();
  };
}
