import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { LOGGER, Metrics } from '@cf/service-kit';
import type { Logger } from 'pino';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';
import { ExecutionsDatabase } from './executions-database.js';

const DAY_MS = 24 * 60 * 60_000;
/** Results that waited over midnight belong to yesterday. */
const DAYS_BEHIND = 1;
/** Partitions lie days ahead, so an hour is often enough and a failure is tried again soon. */
const LOOK_EVERY_MS = 60 * 60_000;
const TABLES = ['attempts', 'requests'];

const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/**
 * Makes the daily partitions of attempts and requests ahead of time. A day without one is no loss: its rows go to the default
 * partition, and the alarm (`cf_executions_partitions_missing`) says that dropping that day will need a hand.
 */
@Injectable()
export class Partitions implements OnApplicationBootstrap {
  private timer: NodeJS.Timeout | undefined;
  private readonly missing;
  private making: Promise<void> = Promise.resolve();

  constructor(
    private readonly database: ExecutionsDatabase,
    @Inject(EXECUTIONS_CONFIG) private readonly config: ExecutionsConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.missing = metrics.gauge('cf_executions_partitions_missing', 'Daily partitions, yesterday to days ahead, that could not be made');
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.makeAhead();
    this.timer = setInterval(() => {
      this.making = this.makeAhead();
    }, LOOK_EVERY_MS).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.making;
  }

  private async makeAhead(): Promise<void> {
    const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
    let missing = 0;
    for (let ahead = -DAYS_BEHIND; ahead <= this.config.EXECUTIONS_PARTITION_DAYS_AHEAD; ahead++) {
      for (const table of TABLES) {
        try {
          await this.make(table, today + ahead * DAY_MS);
        } catch (error) {
          missing++;
          this.logger.error(
            { err: error, table, day: day(today + ahead * DAY_MS) },
            'a partition could not be made; its rows go to the default one',
          );
        }
      }
    }
    this.missing.set(missing);
  }

  private async make(table: string, startMs: number): Promise<void> {
    const name = `${table}_${day(startMs).replaceAll('-', '')}`;
    const [known] = await this.database.query<{ found: boolean }>('SELECT to_regclass($1) IS NOT NULL AS found', [`executions.${name}`]);
    if (known?.found === true) return;
    await this.database.query(
      `CREATE TABLE IF NOT EXISTS ${name} PARTITION OF ${table} FOR VALUES FROM ('${day(startMs)}T00:00:00Z') TO ('${day(startMs + DAY_MS)}T00:00:00Z')`,
    );
  }
}
