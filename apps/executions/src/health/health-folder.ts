/**
 * Folds what recorders noted into the health of functions, and tells what is to be noticed in it.
 *
 * - One process at a time folds, in one transaction: deltas are taken, buckets and circuits written, notifications added. A crash
 *   leaves all of it as it was; so each recorded result counts once and each notice is given once.
 * - What cannot be folded is looked for one by one and left out, so that it does not hold up the health of everybody.
 */
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { codeOf } from '@cf/persistence';
import { LOGGER, Metrics } from '@cf/service-kit';
import type { Logger } from 'pino';
import type { EntityManager } from 'typeorm';
import { BackgroundTurns } from '../background-turns.js';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';
import type { NewNotification } from '../notifications/notification.js';
import { Notifications } from '../notifications/notifications.repository.js';
import { boundTimes, latestMs } from './bound-times.js';
import { CircuitNotices } from './circuit-notices.js';
import { foldInto } from './fold-deltas.js';
import { FunctionHealthRepository } from './function-health.repository.js';
import { byFunction, functionKey, type FunctionOf, placeOf } from './function-of.js';
import { type HealthDelta, readDeltas } from './health-delta.js';
import { HealthDeltas, NOTED_MAX } from './health-deltas.repository.js';
import { HealthTidier } from './health-tidier.js';
import { isUndigestible } from './is-undigestible.js';
import { failureLevel, heldLevel, WINDOW_MINUTES } from './notice-failures.js';
import { addTallies, bucketMsOf, emptyTally } from './tally.js';

const BACK_OFF_MS = 5_000;

@Injectable()
export class HealthFolder implements OnApplicationBootstrap {
  private most = NOTED_MAX;
  private readonly told;
  private readonly skipped;
  private readonly lastAt;
  private readonly turns = new BackgroundTurns(
    () => this.turn(),
    (error) => this.logger.warn({ err: error }, 'the health of functions is folded later'),
    BACK_OFF_MS,
  );

  constructor(
    private readonly deltas: HealthDeltas,
    private readonly health: FunctionHealthRepository,
    private readonly circuits: CircuitNotices,
    private readonly notifications: Notifications,
    private readonly tidier: HealthTidier,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(EXECUTIONS_CONFIG) private readonly config: ExecutionsConfig,
    metrics: Metrics,
  ) {
    this.told = metrics.counter('cf_notifications_total', 'Notifications about functions, by type', ['type']);
    this.skipped = metrics.counter(
      'cf_executions_health_left_out_total',
      'Recording transactions whose part in the health of functions could not be folded',
    );
    this.lastAt = metrics.gauge('cf_executions_health_last_timestamp_seconds', 'When the health of functions was last folded');
  }

  onApplicationBootstrap(): void {
    this.turns.start();
  }

  async stop(): Promise<void> {
    await this.turns.stop();
  }

  private async turn(): Promise<number> {
    if (await this.foldNext()) return 0;
    await this.health.alone(async (manager) => this.tell(manager, await this.circuits.lookAgain(manager)));
    await this.tidier.tidyHourly();
    return this.config.EXECUTIONS_HEALTH_FOLD_EVERY_MS;
  }

  /** Whether there is more. After what could not be folded each is taken alone, then twice as many each time. */
  private async foldNext(): Promise<boolean> {
    try {
      const taken = await this.health.alone((manager, nowMs) => this.fold(manager, nowMs, this.most));
      if (taken !== null) this.lastAt.setToCurrentTime();
      const isMore = taken === this.most;
      this.most = Math.min(this.most * 2, NOTED_MAX);
      return isMore;
    } catch (error) {
      if (this.most === 1 || !isUndigestible(error)) throw error;
      this.most = 1;
      return true;
    }
  }

  private async fold(manager: EntityManager, nowMs: number, most: number): Promise<number> {
    const noted = await this.deltas.take(manager, most);
    if (noted.length === 0) return 0;
    try {
      // A transaction within: of one that cannot be folded only the taking stays.
      await manager.transaction((inner) => this.foldIn(inner, nowMs, noted.flatMap(readDeltas)));
    } catch (error) {
      if (noted.length > 1 || !isUndigestible(error)) throw error;
      this.skipped.inc();
      this.logger.error({ sqlState: codeOf(error), detail: (error as Error).message }, 'a part in the health of functions is left out');
    }
    return noted.length;
  }

  private async foldIn(manager: EntityManager, nowMs: number, noted: readonly HealthDelta[]): Promise<void> {
    const deltas = noted.map((delta) => boundTimes(delta, nowMs));
    const known = await this.health.bucketsAt(manager, deltas, '5m');
    await this.health.saveBuckets(manager, foldInto(known, deltas, '5m'));
    const groups = [...byFunction(deltas).values()];
    const notices = await this.failures(manager, groups.map(placeOf), nowMs);
    for (const ofFunction of groups) {
      const place = placeOf(ofFunction);
      const { deadLettered } = ofFunction.reduce((sum, { tally }) => addTallies(sum, tally), emptyTally);
      if (deadLettered > 0) notices.push({ ...place, type: 'retries_exhausted', count: deadLettered, details: {} });
    }
    const words = deltas.flatMap(({ orgId, cloudFunctionId, circuits }) => circuits.map((news) => ({ ...news, orgId, cloudFunctionId })));
    notices.push(...(await this.circuits.hear(manager, words)));
    await this.tell(manager, notices);
  }

  private async tell(manager: EntityManager, notices: readonly NewNotification[]): Promise<void> {
    await this.notifications.add(manager, notices);
    for (const { type } of notices) this.told.inc({ type });
  }

  private async failures(manager: EntityManager, functions: readonly FunctionOf[], nowMs: number): Promise<NewNotification[]> {
    const bucketMs = bucketMsOf(nowMs);
    const fromMs = bucketMs - (WINDOW_MINUTES / 2) * 60_000;
    const buckets = await this.health.bucketsBetween(manager, functions, '5m', new Date(fromMs), new Date(latestMs(nowMs)));
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
}
