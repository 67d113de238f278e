import type { LogRecord } from '../log.js';
import { NOT_CALLED, type Schedulable } from './bulkhead-state.js';
import type { Guarded } from './crash-guard.js';
import type { LinkedLine } from './linked-line.js';
import type { OwnedPartition } from './owned-partition.js';
import type { Tracked } from './tracker.js';

/**
 * One delivered record until it is done with: the only object that the engine makes for a record. It stands in the tracker's list
 * of its partition (`lower`, `higher`), in one line of the scheduler (`before`, `after`) and, until it starts, among the arrivals of its
 * bulkhead (`older`, `younger`).
 */
export class Task implements Schedulable<Task>, Tracked<Task>, Guarded<Task> {
  before: Task | null = null;
  after: Task | null = null;
  line: LinkedLine<Task> | null = null;
  older: Task | null = null;
  younger: Task | null = null;
  lower: Task | null = null;
  higher: Task | null = null;
  running = false;
  resting = false;
  calledAtMs = NOT_CALLED;
  isSurplus = false;
  deaths = 0;
  suspected = false;
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

export const bytesOf = ({ value, key, headers }: LogRecord): number => {
  let bytes = RECORD_OVERHEAD_BYTES + (value?.byteLength ?? 0) + (key?.byteLength ?? 0);
  for (const name in headers) bytes += headers[name]!.length;
  return bytes;
};
