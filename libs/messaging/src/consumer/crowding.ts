import type { Task } from './task.js';
import type { PartitionTracker } from './tracker.js';

/**
 * What to take out of the queue of a crowded partition, the youngest first: of the bulkhead that leaves the most holes between what is
 * done, the younger half. Those that run are left, and those that wait to run alone.
 */
export const crowdingOf = (tracker: Pick<PartitionTracker<Task>, 'holes'>): Task[] => {
  const byBulkhead = new Map<string | null, Task[]>();
  for (const task of tracker.holes()) {
    if (task.line === null || task.isSurplus || task.alone) continue;
    const holes = byBulkhead.get(task.bulkheadKey);
    if (holes === undefined) byBulkhead.set(task.bulkheadKey, [task]);
    else holes.push(task);
  }
  const most = [...byBulkhead.values()].reduce<Task[]>((longest, each) => (each.length > longest.length ? each : longest), []);
  return most.slice(Math.floor(most.length / 2)).reverse();
};
