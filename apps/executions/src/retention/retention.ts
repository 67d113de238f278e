import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { RETENTION_DAYS } from '@cf/contract';
import { LOGGER, Metrics } from '@cf/service-kit';
import type { Logger } from 'pino';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';
import { ErasableLetters } from '../erasure/erasable-letters.repository.js';
import { RetentionPolicy } from './retention-policy.js';
import { RetentionRepository } from './retention.repository.js';

/** Rows in one transaction, so that none holds its locks for long. */
const AT_ONCE = 1_000;

/** Our topics keep results for 7 days, and the platform's keep events for as long as it likes. */
const ERASED_CHATS_DAYS = 90;

/** A request may wait in its topic for 7 days, and its result in another for as long: after that nothing is heard of a sending. */
const UNANSWERED_DAYS = 14;

/**
 * Deletes what is older than its organization keeps it: executions in bounded batches, then the daily partitions that the longest retention
 * has passed. Any number of processes may do so at once.
 */
@Injectable()
export class Retention implements OnApplicationBootstrap {
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  private running: Promise<void> | null = null;
  private readonly removed;
  private readonly dropped;
  private readonly lastAt;

  constructor(
    private readonly repository: RetentionRepository,
    private readonly policy: RetentionPolicy,
    private readonly letters: ErasableLetters,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(EXECUTIONS_CONFIG) private readonly config: ExecutionsConfig,
    metrics: Metrics,
  ) {
    this.removed = metrics.counter('cf_executions_removed_total', 'Rows that retention deleted', ['what']);
    this.dropped = metrics.counter('cf_executions_partitions_dropped_total', 'Daily partitions that retention dropped');
    this.lastAt = metrics.gauge('cf_executions_retention_last_timestamp_seconds', 'When retention last came to its end');
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.running ??= this.run().finally(() => (this.running = null));
    }, this.config.EXECUTIONS_RETENTION_EVERY_MS).unref();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await this.running;
  }

  private async run(): Promise<void> {
    try {
      const organizations = await this.repository.organizations();
      for (const orgId of organizations) await this.removeOf(orgId);
      await this.removeShared(Math.max(...organizations.map((orgId) => this.policy.daysOf(orgId)), RETENTION_DAYS.default));
      await this.letters.readUnread();
      if (!this.stopped) this.lastAt.setToCurrentTime();
    } catch (error) {
      this.logger.warn({ err: error }, 'retention goes on at its next turn');
    }
  }

  private async removeOf(orgId: string): Promise<void> {
    for (;;) {
      const before = this.policy.cutoffOf(orgId);
      const unansweredSince = this.policy.cutoff(UNANSWERED_DAYS);
      if (this.stopped || before === null || unansweredSince === null) return;
      const removed = await this.repository.removeExpired(orgId, before, unansweredSince, AT_ONCE);
      this.removed.inc({ what: 'executions' }, removed);
      if (removed < AT_ONCE) return this.repository.removeReplays(orgId, before);
    }
  }

  private async removeShared(longestDays: number): Promise<void> {
    const before = this.policy.cutoff(longestDays);
    const forgotten = this.policy.cutoff(ERASED_CHATS_DAYS);
    if (this.stopped || before === null || forgotten === null) return;
    for (let removed = AT_ONCE; removed === AT_ONCE && !this.stopped; ) {
      removed = await this.repository.removeDeadLetters(before, AT_ONCE);
      this.removed.inc({ what: 'dead_letters' }, removed);
    }
    await this.repository.forgetErasedChats(forgotten);
    const dropped = await this.repository.dropPartitions(before);
    this.dropped.inc(dropped.length);
    if (dropped.length > 0) this.logger.info({ partitions: dropped }, 'partitions past the longest retention were dropped');
  }
}
