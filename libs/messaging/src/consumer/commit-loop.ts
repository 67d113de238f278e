import type { GroupMember } from '../log.js';
import type { Clock } from './clock.js';
import type { Committer } from './committer.js';
import type { OwnedPartition } from './owned-partition.js';

const HANDOVER_TRIES = 2;

/** Carries out what the committer decides, one request at a time. */
export class CommitLoop {
  #underWay: Promise<void> = Promise.resolve();
  /** Another is to follow the one that is under way. */
  #isAsked = false;

  constructor(
    private readonly committer: Committer,
    private readonly clock: Clock,
    private readonly member: () => GroupMember | null,
    private readonly committed: (partitions: readonly OwnedPartition[]) => void,
    private readonly failed: (error: unknown) => void,
  ) {}

  /** False when there is nothing to commit now. */
  commit(): boolean {
    const member = this.member();
    const request = member === null ? null : this.committer.begin(this.clock.nowMs());
    if (member === null || request === null) return false;
    this.#isAsked = false;
    this.#underWay = member.commit(request.offsets).then(
      () => {
        this.committer.succeeded(request);
        this.committed(request.partitions);
        if (this.committer.isDue() || this.#isAsked) this.commit();
      },
      (error: unknown) => {
        this.committer.failed(request, this.clock.nowMs());
        this.failed(error);
      },
    );
    return true;
  }

  /** After the caller has returned, so that what it still changes is in it, or after the one that is under way. */
  soon(): void {
    if (this.committer.isUnderWay) this.#isAsked = true;
    else queueMicrotask(() => this.commit());
  }

  /** The last commit before these go. It is tried twice; what does not get through is done again by the next owner. */
  async handOver(partitions: readonly OwnedPartition[]): Promise<void> {
    await this.#underWay;
    for (const partition of partitions) if (!partition.lost) this.committer.changed(partition);
    for (let tries = 0; tries < HANDOVER_TRIES && partitions.some((partition) => this.committer.awaits(partition)); ) {
      this.committer.urge();
      if (this.commit()) tries++;
      else if (!this.committer.isUnderWay) return;
      await this.#underWay;
    }
  }
}
