import type { CommitLoop } from './commit-loop.js';
import type { Committer } from './committer.js';
import type { Dispatcher } from './dispatcher.js';
import type { Scheduler } from './scheduler.js';
import type { Task } from './task.js';

/** What lies between the turn of a suspected record, or the end of its pause, and its next try: a commit that announces it (`crash-guard.ts`). */
export class Announcer {
  /** Failed, and about to try again once announced, alone if they have to be; how to go on. */
  readonly #returning = new Map<Task, () => void>();

  constructor(
    private readonly schedulerOf: (task: Task) => Scheduler<Task>,
    private readonly committer: Committer,
    private readonly commits: CommitLoop,
    private readonly dispatcher: Dispatcher,
  ) {}

  /** Its turn has come: to start, or to try again alone. */
  turnCame(task: Task): void {
    const goOn = this.#returning.get(task);
    if (task.completed) goOn?.();
    else this.#announce(task, goOn ?? (() => this.dispatcher.begin(task)));
  }

  /** Its pause is over; resolves when it may try again. */
  async returns(task: Task): Promise<void> {
    const { partition, suspected, completed, alone } = task;
    const scheduler = this.schedulerOf(task);
    const isAnnounced = suspected && !completed && !partition.isLeaving && !partition.lost;
    if (isAnnounced || (alone && completed)) {
      await new Promise<void>((goOn) => {
        this.#returning.set(task, goOn);
        if (alone) {
          scheduler.isolate(task);
          this.commits.soon();
        } else {
          scheduler.rests(task, false);
          this.#announce(task, goOn);
        }
        this.dispatcher.wake();
      });
      this.#returning.delete(task);
    }
    scheduler.rests(task, false);
  }

  /** It waits for no commit and no turn any more. */
  goOn(task: Task): void {
    this.#returning.get(task)?.();
  }

  /** It does not run, or not any more; nothing runs alone before it is committed that it is announced no more. */
  withdraw(task: Task): void {
    if (task.partition.guard.withdraw(task)) this.committer.completed(task.partition);
  }

  #announce(task: Task, begin: () => void): void {
    task.partition.guard.announce(task, begin);
    this.committer.changed(task.partition);
    this.commits.soon();
  }
}
