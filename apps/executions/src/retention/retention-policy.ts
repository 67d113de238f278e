import { Inject, Injectable } from '@nestjs/common';
import { RETENTION_DAYS } from '@cf/contract';
import { RegistryCache } from '@cf/registry-cache';
import { CLOCK, type Clock, ClockWatch } from './clock-watch.js';

const DAY_MS = 24 * 60 * 60_000;

/** How long each organization keeps its executions, by the registry of now. */
@Injectable()
export class RetentionPolicy {
  constructor(
    private readonly registry: RegistryCache,
    private readonly clockWatch: ClockWatch,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  daysOf(orgId: string): number {
    return this.registry.organization(orgId)?.retentionDays ?? RETENTION_DAYS.default;
  }

  /** The time before which nothing of the organization is kept; null while the clock is in doubt. */
  cutoffOf(orgId: string): Date | null {
    return this.cutoff(this.daysOf(orgId));
  }

  cutoff(days: number): Date | null {
    return this.clockWatch.isTrusted() ? new Date(this.clock.wall() - days * DAY_MS) : null;
  }
}
