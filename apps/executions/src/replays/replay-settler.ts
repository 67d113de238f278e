/**
 * The settler keeps the figures of open replays, cancels what waits of cancelled ones, and ends a replay once all was looked at and nothing
 * is open. Any number of processes run one, one replay after another, the one with the oldest figures first; each is counted anew every
 * second at most. It rests for as long as it worked, so that counting many or large replays takes half of one connection, and it has a loop
 * of its own, so that it never keeps the replayer from its turn. Items of what has ended are removed afterwards, some in each turn: a crash
 * leaves them to the next one.
 */
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { LOGGER } from '@cf/service-kit';
import type { Logger } from 'pino';
import { BackgroundTurns } from '../background-turns.js';
import { DueRepository } from '../due/due.repository.js';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';
import type { Replay } from './replay.js';
import { type Figures, ReplaySettling } from './replay-settling.repository.js';

const SETTLE_EVERY_MS = 1_000;
/** Rows in one cancelling transaction; more would be locked for too long. */
const CANCELLED_AT_ONCE = 1_000;
/** Items in one counting or removing statement, which takes some 100 ms: of several million, all at once would take longer than a statement may. */
const ITEMS_AT_ONCE = 10_000;
const BACK_OFF_MS = 2_000;

@Injectable()
export class ReplaySettler implements OnApplicationBootstrap {
  private readonly turns = new BackgroundTurns(
    () => this.turn(),
    (error) => this.logger.warn({ err: error }, 'the figures of replays wait'),
    BACK_OFF_MS,
  );

  constructor(
    private readonly settling: ReplaySettling,
    private readonly due: DueRepository,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(EXECUTIONS_CONFIG) private readonly config: ExecutionsConfig,
  ) {}

  onApplicationBootstrap(): void {
    this.turns.start();
  }

  async stop(): Promise<void> {
    await this.turns.stop();
  }

  private async turn(): Promise<number> {
    const beganAt = performance.now();
    await this.settling.removeEnded(ITEMS_AT_ONCE);
    const replay = await this.settling.take(SETTLE_EVERY_MS);
    if (replay === null) return this.config.EXECUTIONS_CLAIM_EVERY_MS;
    await this.settle(replay);
    return performance.now() - beganAt;
  }

  private async settle(replay: Replay): Promise<void> {
    if (replay.status === 'cancelled') await this.cancelWaiting(replay);
    const figures = await this.count(replay);
    if (figures !== null) await this.settling.settle(replay, figures);
  }

  /** Part by part, so each item as it stands at its moment; null when stopped meanwhile. */
  private async count(replay: Replay): Promise<Figures | null> {
    let figures: Figures = { succeeded: 0, failed: 0, cancelled: 0, open: 0 };
    let after: string | null = null;
    while (!this.turns.stopped) {
      const part = await this.settling.count(replay, after, ITEMS_AT_ONCE);
      figures = {
        succeeded: figures.succeeded + part.succeeded,
        failed: figures.failed + part.failed,
        cancelled: figures.cancelled + part.cancelled,
        open: figures.open + part.open,
      };
      if (part.items < ITEMS_AT_ONCE) return figures;
      after = part.last;
      await this.settling.keep(replay);
    }
    return null;
  }

  private async cancelWaiting(replay: Replay): Promise<void> {
    while (!this.turns.stopped) {
      const waiting = await this.settling.waitingOf(replay, CANCELLED_AT_ONCE);
      await this.due.cancel(waiting);
      if (waiting.length < CANCELLED_AT_ONCE) return;
    }
  }
}
