/**
 * Whether the time of day can be trusted. The wall clock is compared with the steady clock of this process, which nobody sets, and with
 * the clock of Postgres.
 *
 * - trusted: both agree. Retention deletes by it, and the recorder leaves out what is expired.
 * - in doubt: the wall clock jumped, or Postgres has another time. Nothing is deleted or left out for its age until they agree again or
 *   the process is started anew; all other work goes on, since what is due is decided by Postgres alone.
 */
import { Injectable, Inject, type OnApplicationBootstrap } from '@nestjs/common';
import { Health, LOGGER, Metrics } from '@cf/service-kit';
import type { Logger } from 'pino';
import { ExecutionsDatabase } from '../database/executions-database.js';

/** What a clock that is kept by NTP never differs by. */
const DOUBT_MS = 60_000;
const LOOK_EVERY_MS = 10_000;

export interface Clock {
  /** ms since the epoch, as the machine says. */
  wall(): number;
  /** ms since some moment, never set. */
  steady(): number;
}

export const machineClock: Clock = { wall: () => Date.now(), steady: () => performance.now() };
export const CLOCK = Symbol('CLOCK');

@Injectable()
export class ClockWatch implements OnApplicationBootstrap {
  private readonly offsetMs: number;
  private postgresAheadMs = 0;
  private doubted = false;
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> = Promise.resolve();
  private readonly skew;

  constructor(
    private readonly database: ExecutionsDatabase,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
    health: Health,
    metrics: Metrics,
  ) {
    this.offsetMs = clock.wall() - clock.steady();
    this.skew = metrics.gauge('cf_executions_clock_doubt_seconds', 'How far the wall clock is off its steady clock or that of Postgres', [
      'against',
    ]);
    health.register('executions-clock', () => ({ ok: true, detail: this.isTrusted() ? 'trusted' : this.doubt() }));
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.looking = this.look();
    }, LOOK_EVERY_MS).unref();
    this.looking = this.look();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.looking;
  }

  isTrusted(): boolean {
    return Math.abs(this.jumpedMs()) < DOUBT_MS && Math.abs(this.postgresAheadMs) < DOUBT_MS;
  }

  async look(): Promise<void> {
    try {
      const [row] = await this.database.query<{ now: Date }>('SELECT clock_timestamp() AS now');
      if (row !== undefined) this.postgresAheadMs = row.now.getTime() - this.clock.wall();
    } catch {
      // Health says that Postgres is away; what was known of its clock stays.
    }
    this.skew.set({ against: 'steady' }, this.jumpedMs() / 1_000);
    this.skew.set({ against: 'postgres' }, this.postgresAheadMs / 1_000);
    const doubted = !this.isTrusted();
    if (doubted && !this.doubted) this.logger.error({ doubt: this.doubt() }, 'the clock is in doubt: nothing is deleted for its age');
    if (!doubted && this.doubted) this.logger.info('the clock is trusted again');
    this.doubted = doubted;
  }

  private jumpedMs(): number {
    return this.clock.wall() - this.clock.steady() - this.offsetMs;
  }

  private doubt(): string {
    const seconds = (ms: number): number => Math.round(ms / 1_000);
    return `jumped by ${seconds(this.jumpedMs())} s since the start, Postgres is ${seconds(this.postgresAheadMs)} s ahead; nothing is deleted for its age`;
  }
}
