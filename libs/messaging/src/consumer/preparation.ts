import type { AssignedPartition, MessageLog, TopicPartition } from '../log.js';
import type { GroupPolicy } from '../parallel-consumer-options.js';
import { type Clock, pause } from './clock.js';
import type { ConsumerObserver } from './consumer-observer.js';
import type { OwnedPartition } from './owned-partition.js';
import { retryDelayMs } from './retry-delay.js';

/** Gets new partitions ready before their first record; tried until it succeeds, since without it one would be handled as if nothing were known. */
export class Preparation {
  readonly #failures = new Map<readonly OwnedPartition[], string>();

  constructor(
    private readonly log: Pick<MessageLog, 'endOffsets'>,
    private readonly group: string,
    private readonly policy: GroupPolicy,
    private readonly observer: ConsumerObserver,
    private readonly clock: Clock,
    private readonly isStopping: () => boolean,
    private readonly isOwned: (partition: TopicPartition) => boolean,
  ) {}

  /** Why some partitions still wait; null when none does. */
  get failure(): string | null {
    for (const failure of this.#failures.values()) return failure;
    return null;
  }

  async of(assigned: readonly AssignedPartition[], owned: readonly OwnedPartition[]): Promise<void> {
    for (let failures = 1; !this.isStopping() && owned.some((partition) => !partition.lost); failures++) {
      try {
        await this.#knowEnds(owned.filter(({ guard }) => guard.isCareful));
        await this.policy.assigned?.(assigned);
        break;
      } catch (error) {
        this.#failures.set(owned, error instanceof Error ? error.message : String(error));
        this.observer.preparationFailed?.(this.group, error);
        await pause(this.clock, retryDelayMs(failures, this.clock.random()));
      }
    }
    this.#failures.delete(owned);
    // Known to the policy again by what it prepared meanwhile.
    const gone = owned.filter((partition) => partition.lost && !this.isOwned(partition));
    if (gone.length > 0) this.policy.lost?.(gone);
  }

  /** A record that was appended after a process died cannot have killed it. */
  async #knowEnds(partitions: readonly OwnedPartition[]): Promise<void> {
    for (const topic of new Set(partitions.map((partition) => partition.topic))) {
      const ends = await this.log.endOffsets(topic);
      for (const { guard, topic: of, partition } of partitions) if (of === topic) guard.endsBefore(ends[partition] ?? Infinity);
    }
  }
}
