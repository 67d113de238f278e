/**
 * The replayer brings replays into the due table, a batch at a time. Any number of processes run one.
 *
 * - taking a turn: all replays share one pace (EXECUTIONS_REPLAY_RATE), and organizations take turns at it.
 * - advancing: under the lock of the replay's row the next executions are looked at, those that may be sent become due, and the cursor
 *   moves on: one transaction, so that after a crash the next process goes on where it committed and sends nothing twice.
 * - settling: `replay-settler.ts` counts what became of them.
 *
 * Due rows of replays have the lowest priority, their retries too: whatever else is due goes first.
 */
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { RegistryCache } from '@cf/registry-cache';
import { LOGGER, Metrics } from '@cf/service-kit';
import type { Logger } from 'pino';
import type { EntityManager } from 'typeorm';
import { BackgroundTurns } from '../background-turns.js';
import { type Standing, TriggerStanding } from '../due/trigger-standing.js';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';
import { ResultsRepository } from '../recording/results.repository.js';
import { skipReplay } from './check-replay.js';
import type { Replay } from './replay.js';
import { type Candidate, ReplayBatches } from './replay-batches.repository.js';

/** Four turns a second spread the load; more than 1,000 rows would be locked for too long. */
const TURNS_PER_SECOND = 4;
const BATCH_MAX = 1_000;
const BACK_OFF_MS = 2_000;

@Injectable()
export class Replayer implements OnApplicationBootstrap {
  private readonly replayed;
  private readonly turns = new BackgroundTurns(
    () => this.turn(),
    (error) => this.logger.warn({ err: error }, 'replays wait'),
    BACK_OFF_MS,
  );

  constructor(
    private readonly batches: ReplayBatches,
    private readonly results: ResultsRepository,
    private readonly standing: TriggerStanding,
    private readonly registry: RegistryCache,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(EXECUTIONS_CONFIG) private readonly config: ExecutionsConfig,
    metrics: Metrics,
  ) {
    this.replayed = metrics.counter('cf_executions_replayed_total', 'Invocations that replays looked at, by what became of them', [
      'became',
    ]);
  }

  onApplicationBootstrap(): void {
    this.turns.start();
  }

  async stop(): Promise<void> {
    await this.turns.stop();
  }

  private async turn(): Promise<number> {
    const batch = Math.min(BATCH_MAX, Math.max(1, Math.round(this.config.EXECUTIONS_REPLAY_RATE / TURNS_PER_SECOND)));
    const intervalMs = (batch / this.config.EXECUTIONS_REPLAY_RATE) * 1_000;
    await this.advance(batch, intervalMs);
    return Math.min(intervalMs, this.config.EXECUTIONS_CLAIM_EVERY_MS);
  }

  private async advance(batch: number, intervalMs: number): Promise<void> {
    let turnOf: Replay | null = null;
    try {
      await this.batches.transaction(async (manager) => {
        const replay = await this.batches.next(manager);
        if (replay === null || !(await this.batches.takeTurn(manager, intervalMs))) return;
        turnOf = replay;
        await this.advanceOne(manager, replay, batch);
      });
    } catch (error) {
      if (turnOf !== null) await this.batches.postpone(turnOf);
      throw error;
    }
  }

  private async advanceOne(manager: EntityManager, replay: Replay, batch: number): Promise<void> {
    const { candidates, last, isEnd } = await this.batches.look(manager, replay, batch);
    const standings = await this.standingsOf(replay.orgId, candidates);
    const ids = candidates.filter(({ createdAt }) => createdAt !== null).map(({ invocationId }) => invocationId);
    const rows = await this.results.lockExecutions(manager, ids);
    const kept = await this.batches.keptRequests(manager, [...rows.values()]);
    const enqueued: string[] = [];
    const skipped: Replay['skipped'] = {};
    for (const { invocationId } of candidates) {
      const row = rows.get(invocationId);
      const facts = {
        onlyIfNotSucceeded: replay.onlyIfNotSucceeded,
        triggerActive: standings.get(row?.triggerId ?? null) === 'active',
        functionActive: this.isFunctionActive(replay.orgId, row?.cloudFunctionId ?? null),
        requestKept: kept.has(invocationId),
      };
      const skip = row === undefined ? 'not_found' : skipReplay(row, facts);
      if (skip === null) enqueued.push(invocationId);
      else skipped[skip] = (skipped[skip] ?? 0) + 1;
    }
    const changed = isEnd ? replay.total - seenOf(replay) - candidates.length : 0;
    if (changed > 0) skipped.changed = changed;
    await this.batches.advance(manager, replay, { enqueued, skipped, last, isEnd });
    this.replayed.inc({ became: 'enqueued' }, enqueued.length);
    this.replayed.inc({ became: 'skipped' }, candidates.length - enqueued.length);
  }

  /** Asked before rows are locked: the registry may have to be waited for. */
  private async standingsOf(orgId: string, candidates: readonly Candidate[]): Promise<ReadonlyMap<string | null, Standing>> {
    const standings = new Map<string | null, Standing>();
    for (const triggerId of new Set(candidates.map((candidate) => candidate.triggerId)))
      standings.set(triggerId, await this.standing.of(orgId, triggerId));
    if ([...standings.values()].includes('unknown')) throw new Error('the registry cannot be asked whether a trigger is still there');
    return standings;
  }

  private isFunctionActive(orgId: string, cloudFunctionId: string | null): boolean {
    return cloudFunctionId !== null && this.registry.cloudFunction(orgId, cloudFunctionId)?.enabled === true;
  }
}

const seenOf = ({ enqueued, skipped }: Replay): number => enqueued + Object.values(skipped).reduce((sum, count) => sum + count, 0);
