/**
 * The claimer sends due invocations again. Any number of processes run one.
 *
 * - waiting: until the recorders have committed what lay in `invocation.results.trigger` at start. The answer to a sending that
 *   seems unanswered may lie there, and sending it again would be a second call.
 * - claiming: rows that are due get a lease (no other claimer takes them), are published, and then marked with the claimed `seq`.
 *   A crash between the two publishes the same (invocation, seq) again once the lease is over; the invoker drops the second.
 * - pausing: what belongs to a function whose triggers are paused is kept, and released in the order of its priority and age once it is resumed.
 * - backing off: Postgres or the broker is away. Claims that were not published are let go; nothing is lost by waiting.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { triggerInvocationResults } from '@cf/contract';
import { MESSAGE_LOG, type MessageLog } from '@cf/messaging';
import { RegistryCache } from '@cf/registry-cache';
import { LOGGER, Metrics } from '@cf/service-kit';
import type { Logger } from 'pino';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';
import { EXECUTIONS_GROUP } from '../executions.group.js';
import { isRetryable } from '../is-retryable.js';
import { type Claim, DueRepository } from './due.repository.js';
import { DueRequestsPublisher } from './due-requests.publisher.js';
import { TriggerStanding } from './trigger-standing.js';

/** The longest pause while something is away: a restart is noticed within it. */
const BACK_OFF_MS_MAX = 5_000;

@Injectable()
export class Claimer implements OnApplicationBootstrap {
  private readonly stopping = new AbortController();
  private readonly claimed;
  private readonly running;
  private loop: Promise<void> = Promise.resolve();
  private endOffsets: readonly number[] | null = null;
  private unmarked: Claim[] = [];

  constructor(
    private readonly due: DueRepository,
    private readonly requests: DueRequestsPublisher,
    private readonly standing: TriggerStanding,
    private readonly registry: RegistryCache,
    @Inject(MESSAGE_LOG) private readonly log: MessageLog,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(EXECUTIONS_CONFIG) private readonly config: ExecutionsConfig,
    metrics: Metrics,
  ) {
    this.claimed = metrics.counter('cf_executions_claimed_total', 'Due invocations that were claimed, by what became of them', ['became']);
    this.running = metrics.gauge('cf_executions_claimer_running', '1 once the recorders have caught up and due work is sent');
  }

  onApplicationBootstrap(): void {
    this.running.set(0);
    this.loop = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
    await this.requests.close();
  }

  private async run(): Promise<void> {
    await this.persist(() => this.recordersCaughtUp());
    if (this.stopped) return;
    this.running.set(1);
    await this.persist(async () => {
      await this.markPublished();
      await this.keepPauses();
      const due = await this.due.claimDue();
      await this.send(due);
      await this.send(await this.due.claimHeld());
      if (due.length < this.config.EXECUTIONS_CLAIM_MAX) await this.pause(this.config.EXECUTIONS_CLAIM_EVERY_MS);
      return false;
    });
  }

  /** Repeats until `work` answers true or the process stops; pauses longer and longer while it fails. */
  private async persist(work: () => Promise<boolean>): Promise<void> {
    let backOffMs = this.config.EXECUTIONS_CLAIM_EVERY_MS;
    while (!this.stopped) {
      try {
        if (await work()) return;
        backOffMs = this.config.EXECUTIONS_CLAIM_EVERY_MS;
      } catch (error) {
        this.logger.warn({ err: error, backOffMs }, 'due work waits');
        await this.pause(backOffMs);
        backOffMs = Math.min(backOffMs * 2, BACK_OFF_MS_MAX);
      }
    }
  }

  private async recordersCaughtUp(): Promise<boolean> {
    this.endOffsets ??= await this.log.endOffsets(triggerInvocationResults.name);
    const committed = await this.log.committedOffsets(EXECUTIONS_GROUP, triggerInvocationResults.name);
    if (this.endOffsets.every((end, partition) => (committed[partition] ?? 0) >= end)) return true;
    await this.pause(this.config.EXECUTIONS_CLAIM_EVERY_MS);
    return false;
  }

  private async send(claims: readonly Claim[]): Promise<void> {
    if (claims.length === 0) return;
    const outcomes = await Promise.all(claims.map((claim) => this.sendOne(claim)));
    const became = (outcome: (typeof outcomes)[number]['became']) =>
      outcomes.filter((one) => one.became === outcome).map(({ claim }) => claim);
    this.unmarked.push(...became('published'));
    await this.markPublished();
    await this.due.cancel(became('cancelled'));
    await this.due.giveUp(became('unsendable'), 'the request cannot be sent again');
    await this.due.pause(became('paused'));
    await this.due.release(became('released'));
    for (const outcome of outcomes) this.claimed.inc({ became: outcome.became });
    const failed = outcomes.find((outcome) => outcome.became === 'released');
    if (failed !== undefined) throw failed.error;
  }

  private isPaused({ orgId, cloudFunctionId }: { orgId: string; cloudFunctionId: string }): boolean {
    return this.registry.cloudFunction(orgId, cloudFunctionId)?.triggersPaused === true;
  }

  /** Asked of the table and not only told by changes, so that no crash leaves a function paused. */
  private async keepPauses(): Promise<void> {
    const functions = await this.due.pausedFunctions();
    if (functions.length === 0) return;
    const ids = (paused: boolean): string[] =>
      functions.filter((one) => this.isPaused(one) === paused).map(({ cloudFunctionId }) => cloudFunctionId);
    await this.due.resumeFunctions(ids(false));
    await this.due.pause(await this.due.heldOf(ids(true)));
  }

  /** What is published and cannot be marked now is marked before anything else is claimed, so that it is not sent again. */
  private async markPublished(): Promise<void> {
    await this.due.markPublished(this.unmarked);
    this.unmarked = [];
  }

  private async sendOne(
    claim: Claim,
  ): Promise<{ claim: Claim; became: 'published' | 'cancelled' | 'paused' | 'unsendable' | 'released'; error?: unknown }> {
    try {
      const standing = await this.standing.of(claim.orgId, claim.triggerId);
      if (standing === 'inactive') return { claim, became: 'cancelled' };
      if (standing === 'unknown')
        return { claim, became: 'released', error: new Error('the registry cannot be asked whether a trigger is still there') };
      if (this.isPaused(claim)) return { claim, became: 'paused' };
      await this.requests.publish(claim);
      return { claim, became: 'published' };
    } catch (error) {
      if (isRetryable(error)) return { claim, became: 'released', error };
      this.logger.error({ err: error, invocationId: claim.invocationId }, 'a due invocation cannot be sent');
      return { claim, became: 'unsendable', error };
    }
  }

  private get stopped(): boolean {
    return this.stopping.signal.aborted;
  }

  private async pause(ms: number): Promise<void> {
    await wait(ms, undefined, { signal: this.stopping.signal }).catch(() => undefined);
  }
}
