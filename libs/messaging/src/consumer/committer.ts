import type { OffsetCommit } from '../log.js';
import { encodeOffsetMetadata } from './offset-metadata.js';
import type { OwnedPartition } from './owned-partition.js';

/** What may run twice after a crash is what is in flight and what was completed since the last commit (guarantees.md §1). */
export const COMMIT_INTERVAL_MS = 100;
export const COMMIT_COMPLETIONS = 256;
/** A crash repeats what could not be committed, so soon after an outage commits must get through again. */
const BACK_OFF_MS = { first: 200, max: 1_000 } as const;

/**
 * When to commit what: every 100 ms or 256 completions, all changed partitions in one request, one request at a time, so that an
 * older watermark never follows a newer one. Lost partitions are dropped. Knows no clock and no log.
 */
export class Committer {
  readonly #changed = new Set<OwnedPartition>();
  #completions = 0;
  #underWay = false;
  #failures = 0;
  #notBeforeMs = 0;

  /** A record of the partition was completed. */
  completed(partition: OwnedPartition): void {
    this.#changed.add(partition);
    this.#completions++;
  }

  /** Its watermark may have moved over records that were known already. */
  changed(partition: OwnedPartition): void {
    this.#changed.add(partition);
  }

  drop(partition: OwnedPartition): void {
    this.#changed.delete(partition);
  }

  awaits(partition: OwnedPartition): boolean {
    return this.#changed.has(partition);
  }

  get isUnderWay(): boolean {
    return this.#underWay;
  }

  /** Nothing that was completed waits for its commit. */
  get isSettled(): boolean {
    return !this.#underWay && (this.#changed.size === 0 || (this.#completions === 0 && this.#failures === 0));
  }

  /** Enough has come together not to wait for the interval. */
  isDue(): boolean {
    return this.#completions >= COMMIT_COMPLETIONS && !this.#underWay && this.#failures === 0;
  }

  /** What to commit now, nothing while another commit is under way or after an error. To be followed by `succeeded` or `failed`. */
  begin(nowMs: number): CommitRequest | null {
    if (this.#underWay || nowMs < this.#notBeforeMs || this.#changed.size === 0) return null;
    const request = new CommitRequest([...this.#changed]);
    this.#changed.clear();
    this.#completions = 0;
    if (request.offsets.length === 0) return null;
    this.#underWay = true;
    return request;
  }

  succeeded(request: CommitRequest): void {
    this.#underWay = false;
    this.#failures = 0;
    request.remember();
  }

  failed(request: CommitRequest, nowMs: number): void {
    this.#underWay = false;
    this.#notBeforeMs = nowMs + Math.min(BACK_OFF_MS.first * 2 ** this.#failures++, BACK_OFF_MS.max);
    for (const partition of request.partitions) if (!partition.lost) this.#changed.add(partition);
  }

  /** The next `begin` does not wait for the back-off: the last commit before partitions go. */
  urge(): void {
    this.#notBeforeMs = 0;
  }
}

export class CommitRequest {
  readonly partitions: OwnedPartition[] = [];
  readonly offsets: OffsetCommit[] = [];

  constructor(changed: readonly OwnedPartition[]) {
    for (const partition of changed) {
      const { topic, partition: number, tracker, guard, isLeaving } = partition;
      const offset = tracker.watermark();
      if (offset < 0) continue;
      // Handed over by a process that has not died.
      const suspects = guard.tell().map((suspect) => ({ ...suspect, announced: suspect.announced && !isLeaving }));
      const progress = { isOpen: !isLeaving, suspects, completed: tracker.completedAbove() };
      const { metadata, isCrowded } = encodeOffsetMetadata(partition, offset, progress);
      partition.isCrowded = isCrowded;
      if (offset === partition.committedOffset && metadata === partition.committedMetadata && !guard.awaitsCommit) continue;
      this.partitions.push(partition);
      this.offsets.push({ topic, partition: number, offset, metadata });
      partition.sent = { offset, metadata };
    }
  }

  remember(): void {
    this.partitions.forEach((partition, i) => {
      const committed = this.offsets[i];
      if (committed === undefined) return;
      const { offset, metadata = '' } = committed;
      partition.committedOffset = offset;
      partition.committedMetadata = metadata;
      partition.acknowledged = { offset, metadata };
    });
  }
}
