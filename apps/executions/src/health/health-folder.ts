/**
 * Folds what recorders noted into the health of functions, and tells what is to be noticed in it.
 *
 * - One process at a time folds, in one transaction: deltas are taken, buckets and circuits written, notifications added. A crash
 *   leaves all of it as it was; so each recorded result counts once and each notice is given once.
 * - Five-minute buckets become hours after a day, and hours go after the longest window that is shown.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { lane as lanes } from '@cf/contract';
import { LOGGER, Metrics } from '@cf/service-kit';
import type { Logger } from 'pino';
import type { EntityManager } from 'typeorm';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';
import type { NewNotification } from '../notifications/notification.js';
import { Notifications } from '../notifications/notifications.repository.js';
import { byFunction, foldInto, functionKey } from './fold-deltas.js';
import { type FunctionOf, FunctionHealthRepository, ROLLED_UP_MAX } from './function-health.repository.js';
import { HealthDeltas, NOTED_MAX } from './health-deltas.repository.js';
import { mergeCircuits, openWorkers } from './merge-circuits.js';
import { failureLevel, heldLevel, WINDOW_MINUTES } from './notice-failures.js';
import { addTallies, bucketMsOf, type CircuitNews, emptyTally } from './tally.js';

const HOUR_MS = 60 * 60_000;
const DAY_MS = 24 * HOUR_MS;
/** A window of a day still finds its five minutes. */
const ROLLED_UP_AFTER_MS = 25 * HOUR_MS;
/** The week that is shown, and the hour and day that it begins in. */
const KEPT_MS = 8 * DAY_MS;
const BACK_OFF_MS = 5_000;

@Injectable()
export class HealthFolder implements OnApplicationBootstrap {
  private readonly stopping = new AbortController();
  private loop: Promise<void> = Promise.resolve();
  private tidiedAtMs = 0;
  private readonly told;

  constructor(
    private readonly deltas: HealthDeltas,
    private readonly health: FunctionHealthRepository,
    private readonly notifications: Notifications,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(EXECUTIONS_CONFIG) private readonly config: ExecutionsConfig,
    metrics: Metrics,
  ) {
    this.told = metrics.counter('cf_notifications_total', 'Notifications about functions, by type', ['type']);
  }

  onApplicationBootstrap(): void {
    this.loop = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
  }

  private async run(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      try {
        const taken = await this.health.alone((manager) => this.fold(manager));
        if (taken === NOTED_MAX) continue;
        if (Date.now() - this.tidiedAtMs > HOUR_MS) await this.tidy();
        await this.pause(this.config.EXECUTIONS_HEALTH_FOLD_EVERY_MS);
      } catch (error) {
        this.logger.warn({ err: error }, 'the health of functions is folded later');
        await this.pause(BACK_OFF_MS);
      }
    }
  }

  private async fold(manager: EntityManager): Promise<number> {
    const { noted, deltas } = await this.deltas.take(manager);
    if (noted === 0) return 0;
    const known = await this.health.bucketsAt(manager, deltas, '5m');
    await this.health.saveBuckets(manager, foldInto(known, deltas, '5m'));
    const groups = [...byFunction(deltas).values()];
    const notices = await this.failures(manager, groups.map(placeOf));
    for (const ofFunction of groups) {
      const place = placeOf(ofFunction);
      const { deadLettered } = ofFunction.reduce((sum, { tally }) => addTallies(sum, tally), emptyTally);
      if (deadLettered > 0) notices.push({ ...place, type: 'retries_exhausted', count: deadLettered, details: {} });
      const news = ofFunction.flatMap(({ circuits }) => circuits);
      if (news.length > 0) notices.push(...(await this.circuits(manager, place, news)));
    }
    await this.notifications.add(manager, notices);
    for (const { type } of notices) this.told.inc({ type });
    return noted;
  }

  private async failures(manager: EntityManager, functions: readonly FunctionOf[]): Promise<NewNotification[]> {
    const bucketMs = bucketMsOf(Date.now());
    const fromMs = bucketMs - (WINDOW_MINUTES / 2) * 60_000;
    const buckets = await this.health.bucketsSince(manager, functions, '5m', new Date(fromMs));
    const known = new Map((await this.health.failureLevels(manager, functions)).map((one) => [functionKey(one), one]));
    const notices: NewNotification[] = [];
    const groups = byFunction(buckets);
    for (const place of functions) {
      const { calls, failedCalls } = (groups.get(functionKey(place)) ?? []).reduce((sum, { tally }) => addTallies(sum, tally), emptyTally);
      const level = failureLevel({ calls, failedCalls });
      const reached = known.get(functionKey(place));
      const before = heldLevel(reached, fromMs);
      if (level === null || (level === before && (level === 0 || reached?.reachedAt.getTime() === bucketMs))) continue;
      await this.health.saveFailureLevel(manager, place, { level, reachedAt: new Date(bucketMs) });
      if (level > before) {
        const details = { level, calls, failedCalls, windowMinutes: WINDOW_MINUTES };
        notices.push({ ...place, type: 'function_failing', count: 1, details });
      }
    }
    return notices;
  }

  private async circuits(manager: EntityManager, place: FunctionOf, news: readonly CircuitNews[]): Promise<NewNotification[]> {
    const known = await this.health.circuits(manager, place);
    const merged = mergeCircuits(known, news);
    await this.health.saveCircuits(manager, place, merged);
    return lanes.options.flatMap((lane): NewNotification[] => {
      const [before, after] = [openWorkers(known, lane, Date.now()), openWorkers(merged, lane, Date.now())];
      if (before > 0 === after > 0) return [];
      return [{ ...place, type: after > 0 ? 'circuit_opened' : 'circuit_closed', count: 1, details: { lane } }];
    });
  }

  /** Tried again soon while another process folds. */
  private async tidy(): Promise<void> {
    const now = Date.now();
    let taken: number | null = ROLLED_UP_MAX;
    while (taken === ROLLED_UP_MAX) taken = await this.health.alone((manager) => this.rollUp(manager, now));
    const pruned = await this.health.alone(async (manager) => {
      await this.health.prune(manager, new Date(now - KEPT_MS));
      await this.notifications.prune(manager);
      return true;
    });
    if (taken !== null && pruned === true) this.tidiedAtMs = now;
  }

  private async rollUp(manager: EntityManager, nowMs: number): Promise<number> {
    const old = await this.health.takeOld(manager, new Date(nowMs - ROLLED_UP_AFTER_MS));
    const hours = old.map((bucket) => ({ ...bucket, bucketMs: bucket.bucketAt.getTime() - (bucket.bucketAt.getTime() % HOUR_MS) }));
    await this.health.saveBuckets(manager, foldInto(await this.health.bucketsAt(manager, hours, '1h'), hours, '1h'));
    return old.length;
  }

  private async pause(ms: number): Promise<void> {
    await wait(ms, undefined, { signal: this.stopping.signal }).catch(() => undefined);
  }
}

/** The function that all of a group are of. */
const placeOf = ([first]: readonly FunctionOf[]): FunctionOf => {
  if (first === undefined) throw new Error('a group of nothing');
  return { orgId: first.orgId, cloudFunctionId: first.cloudFunctionId };
};
