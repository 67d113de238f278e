import { type Lane, MAX_CONCURRENCY } from '@cf/contract';
import type { TopicPartition } from '@cf/messaging';
import type { RegistryCache } from '@cf/registry-cache';
import { laneConcurrency, workerCap } from './concurrency-cap.js';

/** How many calls of a function this worker may run at once in one lane; changes with the configuration and with ownership. */
export class FunctionConcurrency {
  private readonly owned = new Set<number>();
  private all = 1;

  constructor(
    private readonly lane: Lane,
    private readonly cache: Pick<RegistryCache, 'cloudFunction'>,
  ) {}

  /** `all`: partitions of the lane's topic. */
  own(partitions: readonly TopicPartition[], all: number): void {
    this.all = all;
    for (const { partition } of partitions) this.owned.add(partition);
  }

  disown(partitions: readonly TopicPartition[]): void {
    for (const { partition } of partitions) this.owned.delete(partition);
  }

  capOf(orgId: string, cloudFunctionId: string): number {
    const max = this.cache.cloudFunction(orgId, cloudFunctionId)?.maxConcurrency ?? MAX_CONCURRENCY.default;
    return workerCap(laneConcurrency(this.lane, max), this.owned.size, this.all);
  }
}
