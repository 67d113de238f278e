import { setMaxListeners } from 'node:events';
import type { AssignedPartition, TopicPartition } from '../log.js';
import { CrashGuard, type AloneTurn } from './crash-guard.js';
import { decodeOffsetMetadata, NOTHING_KNOWN } from './offset-metadata.js';
import { PartitionTracker } from './tracker.js';
import type { Task } from './task.js';

interface Running {
  readonly signal: AbortSignal;
  readonly abort: () => void;
}

const newRunning = (): Running => {
  const controller = new AbortController();
  // Every running call of the partition listens to it.
  setMaxListeners(0, controller.signal);
  return { signal: controller.signal, abort: () => controller.abort() };
};

/** One partition from its assignment to its loss. Getting it again makes a new one, so nothing that is late can touch it. */
export class OwnedPartition implements TopicPartition {
  readonly topic: string;
  readonly partition: number;
  readonly tracker: PartitionTracker<Task>;
  readonly guard: CrashGuard<Task>;
  /** What was committed last: the next owner starts there. -1 before the first time. */
  committedOffset: number;
  committedMetadata: string;
  lost = false;
  running = newRunning();

  constructor(assigned: AssignedPartition, turn: AloneTurn, bufferedRecordsMax: number) {
    this.topic = assigned.topic;
    this.partition = assigned.partition;
    const { committedOffset, metadata } = assigned;
    const progress = committedOffset === null ? NOTHING_KNOWN : decodeOffsetMetadata(assigned, committedOffset, metadata);
    this.tracker = new PartitionTracker(committedOffset, progress.completed);
    this.guard = new CrashGuard(progress, turn, bufferedRecordsMax);
    this.committedOffset = committedOffset ?? -1;
    this.committedMetadata = metadata;
  }

  /** What runs now is no longer aborted with the partition. */
  renewSignal(): void {
    this.running = newRunning();
  }
}
