import { setMaxListeners } from 'node:events';
import type { AssignedPartition, TopicPartition } from '../log.js';
import { CrashGuard } from './crash-guard.js';
import { Gate } from './gate.js';
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

export interface Commit {
  readonly offset: number;
  readonly metadata: string;
}

/** One partition from its assignment to its loss. Getting it again makes a new one, so nothing that is late can touch it. */
export class OwnedPartition implements TopicPartition {
  readonly topic: string;
  readonly partition: number;
  readonly tracker: PartitionTracker<Task>;
  readonly guard: CrashGuard<Task>;
  /** What was committed last: the next owner starts there. -1 before the first time. */
  committedOffset: number;
  committedMetadata: string;
  /** What this owner sent to be committed last, and what was acknowledged of it last. */
  sent: Commit | null = null;
  acknowledged: Commit | null = null;
  /** So much is done between what is not that the text beside the offset may soon not hold it. */
  isCrowded = false;
  lost = false;
  /** Closed from when it is about to go until it is lost: nothing of it starts, and what is committed hands it over. */
  readonly gate = new Gate();
  running = newRunning();

  /** `before`: what this process wrote when it owned the partition last. */
  constructor(assigned: AssignedPartition, bufferedRecordsMax: number, before: readonly Commit[] = []) {
    this.topic = assigned.topic;
    this.partition = assigned.partition;
    const { committedOffset, metadata } = assigned;
    const progress = committedOffset === null ? NOTHING_KNOWN : decodeOffsetMetadata(assigned, committedOffset, metadata);
    this.tracker = new PartitionTracker(committedOffset, progress.completed);
    // An owner commits before its first record, so nobody ran one since, and this process is alive.
    const nobodyDied = before.some(({ offset, metadata: written }) => offset === committedOffset && written === metadata);
    this.guard = new CrashGuard(progress, bufferedRecordsMax, nobodyDied);
    this.committedOffset = committedOffset ?? -1;
    this.committedMetadata = metadata;
  }

  get isLeaving(): boolean {
    return !this.gate.isOpen;
  }

  /** One of these is what the log has of this owner, if it has anything. */
  written(): readonly Commit[] {
    return [this.acknowledged, this.sent].filter((commit) => commit !== null);
  }

  /** What runs now is no longer aborted with the partition. */
  renewSignal(): void {
    this.running = newRunning();
  }
}
