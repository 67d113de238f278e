import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Health, LOGGER, Metrics } from '@cf/service-kit';
import type { Logger } from 'pino';
import { EXECUTIONS_CONFIG, type ExecutionsConfig } from '../executions.config.js';
import { ExecutionsDatabase } from './executions-database.js';

const DAY_MS = 24 * 60 * 60_000;
/** Results that waited over midnight belong to yesterday. */
const DAYS_BEHIND = 1;
const TABLES = { attempts: 'started_at', requests: 'accepted_at' } as const;
type Table = keyof typeof TABLES;
/** Rows of a day that are moved out of the default partition when its own is made; more would lock the day for too long. */
const MOVED_MAX = 100_000;

const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/**
 * Makes the daily partitions of attempts and requests ahead of time. A day without one loses nothing: its rows go to the default
 * partition and are moved once the partition can be made. Until then metrics and readiness say so.
 */
@Injectable()
export class Partitions implements OnApplicationBootstrap {
  private timer: NodeJS.Timeout | undefined;
  private readonly missing;
  private readonly misplaced;
  private making: Promise<void> = Promise.resolve();
  private alarm: string | null = null;

  constructor(
    private readonly database: ExecutionsDatabase,
    @Inject(EXECUTIONS_CONFIG) private readonly config: ExecutionsConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    health: Health,
    metrics: Metrics,
  ) {
    this.missing = metrics.gauge('cf_executions_partitions_missing', 'Daily partitions, yesterday to days ahead, that could not be made');
    this.misplaced = metrics.gauge(
      'cf_executions_default_partition_rows',
      `Rows of days without a partition, counted up to ${MOVED_MAX}; those of days long past or far ahead come from clocks that jumped`,
      ['table'],
    );
    health.register('executions-partitions', () => ({ ok: true, detail: this.alarm ?? 'made ahead' }));
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.look();
    this.timer = setInterval(() => {
      this.making = this.making.then(() => this.look());
    }, this.config.EXECUTIONS_PARTITION_LOOK_EVERY_MS).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.making;
  }

  private async look(): Promise<void> {
    const missing = await this.makeAhead();
    const misplaced = await this.countMisplaced().catch(() => 0);
    this.missing.set(missing);
    const alarms = [
      ...(missing > 0 ? [`${missing} daily partitions could not be made`] : []),
      ...(misplaced > 0 ? [`${misplaced} rows lie in a default partition`] : []),
    ];
    this.alarm = alarms.length === 0 ? null : `${alarms.join(', ')}; nothing is lost`;
  }

  private async makeAhead(): Promise<number> {
    const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
    let missing = 0;
    for (let ahead = -DAYS_BEHIND; ahead <= this.config.EXECUTIONS_PARTITION_DAYS_AHEAD; ahead++) {
      for (const table of Object.keys(TABLES) as Table[]) {
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
    return missing;
  }

  private async make(table: Table, startMs: number): Promise<void> {
    const name = `${table}_${day(startMs).replaceAll('-', '')}`;
    const [from, to] = [`${day(startMs)}T00:00:00Z`, `${day(startMs + DAY_MS)}T00:00:00Z`];
    const isMade = `SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass('executions.${name}') AND inhparent = '${table}'::regclass) AS found`;
    const [known] = await this.database.query<{ found: boolean }>(isMade);
    if (known?.found === true) return;
    const ofDay = `${TABLES[table]} >= '${from}' AND ${TABLES[table]} < '${to}'`;
    await this.database.owner(async (manager) => {
      await manager.query(`LOCK TABLE ${table}_default IN ACCESS EXCLUSIVE MODE`);
      const [meanwhile]: { found: boolean }[] = await manager.query(isMade);
      if (meanwhile?.found === true) return;
      const [misplaced]: { count: string }[] = await manager.query(
        `SELECT count(*) FROM (SELECT FROM ${table}_default WHERE ${ofDay} LIMIT ${MOVED_MAX + 1}) AS counted`,
      );
      const count = Number(misplaced?.count ?? 0);
      if (count > MOVED_MAX) throw new Error(`more than ${MOVED_MAX} rows of this day lie in the default partition: move them by hand`);
      await manager.query(`CREATE TABLE ${name} (LIKE ${table} INCLUDING DEFAULTS)`);
      await manager.query(
        `WITH moved AS (DELETE FROM ${table}_default WHERE ${ofDay} RETURNING *) INSERT INTO ${name} SELECT * FROM moved`,
      );
      await manager.query(`ALTER TABLE ${table} ATTACH PARTITION ${name} FOR VALUES FROM ('${from}') TO ('${to}')`);
      if (count > 0)
        this.logger.info({ table, day: day(startMs), count }, 'rows were moved from the default partition to that of their day');
    });
  }

  private async countMisplaced(): Promise<number> {
    let sum = 0;
    for (const table of Object.keys(TABLES) as Table[]) {
      const [row] = await this.database.query<{ count: string }>(
        `SELECT count(*) FROM (SELECT FROM ${table}_default LIMIT ${MOVED_MAX}) AS counted`,
      );
      this.misplaced.set({ table }, Number(row?.count ?? 0));
      sum += Number(row?.count ?? 0);
    }
    return sum;
  }
}
