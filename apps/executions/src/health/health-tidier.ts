import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Notifications } from '../notifications/notifications.repository.js';
import { CLOCK, type Clock, ClockWatch } from '../retention/clock-watch.js';
import { KEPT_MS, latestMs } from './bound-times.js';
import { foldInto } from './fold-deltas.js';
import { FunctionHealthRepository, ROLLED_UP_MAX } from './function-health.repository.js';

const HOUR_MS = 60 * 60_000;
/** A window of a day still finds its five minutes. */
const ROLLED_UP_AFTER_MS = 25 * HOUR_MS;

/** Five-minute buckets become hours after a day, and hours go after the longest window that is shown. */
@Injectable()
export class HealthTidier {
  /** On the steady clock. */
  private tidiedAtMs = -Infinity;

  constructor(
    private readonly health: FunctionHealthRepository,
    private readonly notifications: Notifications,
    private readonly clockWatch: ClockWatch,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Tried again soon while another process folds, and while the clock cannot be trusted: it says what is old. */
  async tidyHourly(): Promise<void> {
    if (this.clock.steady() - this.tidiedAtMs <= HOUR_MS || !this.clockWatch.isTrusted()) return;
    const now = this.clock.wall();
    let taken: number | null = ROLLED_UP_MAX;
    while (taken === ROLLED_UP_MAX) taken = await this.health.alone((manager) => this.rollUp(manager, now));
    const pruned = await this.health.alone(async (manager) => {
      await this.health.prune(manager, new Date(now - KEPT_MS), new Date(latestMs(now)));
      await this.notifications.prune(manager);
      return true;
    });
    if (taken !== null && pruned === true) this.tidiedAtMs = this.clock.steady();
  }

  private async rollUp(manager: EntityManager, nowMs: number): Promise<number> {
    const old = await this.health.takeOld(manager, new Date(nowMs - ROLLED_UP_AFTER_MS));
    const hours = old.map((bucket) => ({ ...bucket, bucketMs: bucket.bucketAt.getTime() - (bucket.bucketAt.getTime() % HOUR_MS) }));
    await this.health.saveBuckets(manager, foldInto(await this.health.bucketsAt(manager, hours, '1h'), hours, '1h'));
    return old.length;
  }
}
