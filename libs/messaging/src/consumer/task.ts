import type { LogRecord } from '../log.js';
import type { Guarded } from './crash-guard.js';
import type { LinkedLine } from './linked-line.js';
import type { OwnedPartition } from './owned-partition.js';
import type { Schedulable } from './scheduler.js';
import type { Tracked } from './tracker.js';

/**
 * One delivered record until it is done with: the only object that the engine makes for a record. It stands in the tracker's list
 * of its partition (`lower`, `higher`) and in one line of the scheduler (`before`, `after`).
 */
export class Task implements Schedulable<Task>, Tracked<Task>, Guarded {
  before: Task | null = null;
  after: Task | null = null;
  line: LinkedLine<Task> | null = null;
  lower: Task | null = null;
  higher: Task | null = null;
  running = false;
  startedAtMs = 0;
  isSurplus = false;
  /** How often a process died while it may have run. */
  deaths = 0;
  alone = false;
  /** Counts as done for the commit. A call that outlives a graceful revoke is completed and still running. */
  completed = false;

  constructor(
    readonly record: LogRecord,
    readonly partition: OwnedPartition,
    readonly orderKey: string | null,
    readonly bulkheadKey: string | null,
    readonly tenantKey: string | null,
    readonly bytes: number,
    readonly receivedAtMs: number,
  ) {}
}

/** Objects, strings and links that a record costs beside its payload. */
const RECORD_OVERHEAD_BYTES = 512;

export const bytesOf = (record: LogRecord): number =>
  RECORD_OVERHEAD_BYTES + (record.value?.byteLength ?? 0) + (record.key?.byteLength ?? 0);
