import { type CloudFunction, type Lane, MAX_CONCURRENCY, sameId } from '@cf/contract';
import type { RegistryCache } from '@cf/registry-cache';
import { AdaptiveLimits, type EndedCall } from './adaptive-limits.js';
import { laneConcurrency, workerCap } from './concurrency-cap.js';
import type { OwnedPartitions } from './owned-partitions.js';

/** What circuits, slots and limits of a function are filed under. */
export const functionKey = (orgId: string, cloudFunctionId: string): string => `${sameId(orgId)}/${sameId(cloudFunctionId)}`;

/**
 * How many calls of a function this worker may run at once in one lane; changes with the configuration, with ownership, and with how
 * its calls end.
 */
export class FunctionConcurrency {
  private readonly adaptive = new AdaptiveLimits();

  constructor(
    private readonly lane: Lane,
    private readonly cache: Pick<RegistryCache, 'cloudFunction'>,
    private readonly owned: OwnedPartitions,
  ) {}

  limitOf(orgId: string, cloudFunctionId: string): number {
    const cap = this.capOf(this.cache.cloudFunction(orgId, cloudFunctionId));
    return this.adaptive.isIdle ? cap : this.adaptive.limitOf(functionKey(orgId, cloudFunctionId), cap, Date.now());
  }

  /** Tells how a call of the function with this key ended. */
  ended(key: string, cloudFunction: CloudFunction, call: EndedCall): void {
    if (this.adaptive.isIdle && !call.overloaded) return;
    this.adaptive.ended(key, this.capOf(cloudFunction), call);
  }

  /** Functions that may use less than their cap because they are slow. */
  get slowed(): number {
    return this.adaptive.count(Date.now());
  }

  private capOf(cloudFunction: CloudFunction | undefined): number {
    const max = cloudFunction?.maxConcurrency ?? MAX_CONCURRENCY.default;
    return workerCap(laneConcurrency(this.lane, max), this.owned.count, this.owned.all);
  }
}
