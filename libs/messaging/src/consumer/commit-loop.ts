import type { GroupMember } from '../log.js';
import type { Clock } from './clock.js';
import type { Committer } from './committer.js';
import type { OwnedPartition } from './owned-partition.js';

/** Carries out what the committer decides, one request at a time. */
export class CommitLoop {
  #underWay: Promise<void> = Promise.resolve();

  constructor(
    private readonly committer: Committer,
    private readonly clock: Clock,
    private readonly member: () => GroupMember | null,
    /** The partitions may go: what is committed now hands them over. */
    private readonly isHandingOver: () => boolean,
    private readonly committed: (partitions: readonly OwnedPartition[]) => void,
    private readonly failed: (error: unknown) => void,
  ) {}

  commit(): void {
    const member = this.member();
    const request = member === null ? null : this.committer.begin(this.clock.nowMs(), this.isHandingOver());
    if (member === null || request === null) return;
    this.#underWay = member.commit(request.offsets).then(
      () => {
        this.committer.succeeded(request);
        if (!request.handover) this.committed(request.partitions);
        if (this.committer.isDue()) this.commit();
      },
      (error: unknown) => {
        this.committer.failed(request, this.clock.nowMs());
        this.failed(error);
      },
    );
  }

  /** The last commit before these may go. It is tried twice; what does not get through is done again by the next owner. */
  async handOver(partitions: Iterable<OwnedPartition>): Promise<void> {
    await this.#underWay;
    for (const partition of partitions) this.committer.changed(partition);
    for (let tries = 0; tries < 2 && this.committer.pending; tries++) {
      this.committer.urge();
      this.commit();
      await this.#underWay;
    }
  }
}
