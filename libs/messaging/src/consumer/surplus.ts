import type { LogRecord } from '../log.js';
import type { WindowQuota } from '../parallel-consumer-options.js';
import { crowdingOf } from './crowding.js';
import type { LinkedLine } from './linked-line.js';
import type { OwnedPartition } from './owned-partition.js';
import { Scheduler } from './scheduler.js';
import type { Task } from './task.js';

/** As many as publish at once what follows from them; the rest waits where it is. */
const AT_ONCE = 256;

/** What was taken from bulkheads that hold too much: beside all limits but one of its own, since nothing is called for it. */
export class Surplus {
  readonly scheduler: Scheduler<Task>;

  constructor(
    private readonly from: Scheduler<Task>,
    private readonly quota: WindowQuota | undefined,
    private readonly taken: (record: LogRecord) => void,
    asideOf: (task: Task) => LinkedLine<Task> | null,
  ) {
    this.scheduler = new Scheduler<Task>(
      AT_ONCE,
      () => Infinity,
      () => true,
      asideOf,
    );
  }

  /** Takes what is beyond the quota, and what crowds a partition. Without a quota nothing is ever taken. */
  take(partitions: Iterable<OwnedPartition>, nowMs: number): void {
    if (this.quota === undefined || !this.from.others.isOpen) return;
    const surplus = this.from.takeSurplus(this.quota, nowMs);
    for (const { isCrowded, tracker } of partitions) {
      if (!isCrowded) continue;
      const crowding = crowdingOf(tracker);
      for (const task of crowding) this.from.remove(task);
      surplus.push(...crowding);
    }
    for (const task of surplus) {
      task.isSurplus = true;
      this.taken(task.record);
      this.scheduler.enqueue(task);
    }
  }
}
