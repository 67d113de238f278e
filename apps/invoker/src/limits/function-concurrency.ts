import { type Lane, MAX_CONCURRENCY } from '@cf/contract';
import type { RegistryCache } from '@cf/registry-cache';
import { laneConcurrency, workerCap } from './concurrency-cap.js';
import type { OwnedPartitions } from './owned-partitions.js';

/** How many calls of a function this worker may run at once in one lane; changes with the configuration and with ownership. */
export class FunctionConcurrency {
  constructor(
    private readonly lane: Lane,
    private readonly cache: Pick<RegistryCache, 'cloudFunction'>,
    private readonly owned: OwnedPartitions,
  ) {}

  capOf(orgId: string, cloudFunctionId: string): number {
    const max = this.cache.cloudFunction(orgId, cloudFunctionId)?.maxConcurrency ?? MAX_CONCURRENCY.default;
    return workerCap(laneConcurrency(this.lane, max), this.owned.count, this.owned.all);
  }
}
