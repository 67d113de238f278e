import type { LinkedLine } from './linked-line.js';
import type { OwnedPartition } from './owned-partition.js';
import type { Scheduler } from './scheduler.js';
import type { Task } from './task.js';

/** Suspected records whose turn had come when their partition had no place for them (`crash-guard.ts`). */
export class Aside {
  /** Of those something may stand aside. */
  readonly #partitions = new Set<OwnedPartition>();

  constructor(private readonly schedulerOf: (task: Task) => Scheduler<Task>) {}

  /** Where a task has to stand; null when it may start. */
  lineOf(task: Task): LinkedLine<Task> | null {
    if (!task.suspected) return null;
    const line = task.partition.guard.asideOf(task);
    if (line !== null) this.#partitions.add(task.partition);
    return line;
  }

  /** Of the scheduler's, those that have a place by now and room in their bulkhead have their turn again. False when there are none. */
  ready(scheduler: Scheduler<Task>): boolean {
    let isAny = false;
    for (const partition of this.#partitions) {
      const { guard } = partition;
      for (const kind of [0, 1] as const) {
        const tasks = this.#startable(guard.aside[kind], guard.places(kind), scheduler);
        for (const task of tasks.reverse()) scheduler.readied(task);
        if (tasks.length > 0) isAny = true;
      }
      if (guard.aside.every(({ first }) => first === null)) this.#partitions.delete(partition);
    }
    return isAny;
  }

  #startable(line: LinkedLine<Task>, places: number, scheduler: Scheduler<Task>): Task[] {
    const tasks: Task[] = [];
    for (let task = line.first; task !== null && tasks.length < places; task = task.after)
      if (this.schedulerOf(task) === scheduler && scheduler.hasRoomFor(task)) tasks.push(task);
    return tasks;
  }
}
