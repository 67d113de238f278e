import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { DataSource, type DataSourceOptions, type EntityManager, MigrationExecutor, type QueryRunner } from 'typeorm';
import { DatabaseError, describeDatabaseError } from './database-error.js';
import { SYSTEM_ROLE, TENANT_ROLE, ensureRoles } from './roles.js';
import { checkTenancy } from './tenancy-guard.js';

export interface DatabaseOptions {
  /** `postgresql://…`; TLS by its `sslmode`, as node-postgres reads it. */
  readonly url: string;
  /** The schema that this service owns; unqualified names in SQL mean it. */
  readonly schema: string;
  readonly entities: DataSourceOptions['entities'];
  /** Migration classes, their names ending in a timestamp; they run in its order, each in a transaction. */
  readonly migrations: DataSourceOptions['migrations'];
  /** Seen in `pg_stat_activity`. */
  readonly name: string;
  /** Default 10: more connections than cores of a small server only queue there instead of here. */
  readonly connectionsMax?: number;
  /** How long `start` waits for Postgres. Default 60 s: compose and Helm start everything at once. */
  readonly startTimeoutMs?: number;
}

/** No statement of ours takes a second; one that takes 30 holds a connection and locks that others wait for. */
const STATEMENT_TIMEOUT_MS = 30_000;
/** A transaction that nobody continues (a stopped process, a lost reply) must not hold its row locks for ever. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 30_000;
const CONNECTION_TIMEOUT_MS = 5_000;
/** Readiness is asked every few seconds, so this is as old as its answer may be. */
const PROBE_EVERY_MS = 2_000;
const RETRY_EVERY_MS = 250;
const POSTGRES_VERSION_MIN = 150_000;
const AS_TENANT = `select set_config('role', '${TENANT_ROLE}', true), set_config('cf.org_id', $1, true)`;

export const createDatabase = (options: DatabaseOptions): Database => new Database(options);

/** One service's schema in Postgres. Errors that may pass are retryable `DatabaseError`s; after a restart of Postgres the pool connects anew. */
export class Database {
  readonly dataSource: DataSource;
  #status: { ok: boolean; detail: string } = { ok: false, detail: 'not started' };
  #probe: NodeJS.Timeout | undefined;

  constructor(private readonly options: DatabaseOptions) {
    if (!/^[a-z_]+$/.test(options.schema)) throw new Error(`schema ${options.schema} must be lower case letters`);
    this.dataSource = new DataSource({
      type: 'postgres',
      url: options.url,
      schema: options.schema,
      entities: options.entities,
      migrations: options.migrations,
      migrationsTableName: 'migrations',
      applicationName: options.name,
      installExtensions: false,
      uuidExtension: 'pgcrypto',
      poolSize: options.connectionsMax ?? 10,
      connectTimeoutMS: CONNECTION_TIMEOUT_MS,
      poolErrorHandler: (error: unknown) => this.#lost(error),
      extra: {
        statement_timeout: STATEMENT_TIMEOUT_MS,
        idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
        options: `-c search_path=${options.schema},public`,
        keepAlive: true,
        keepAliveInitialDelayMillis: 10_000,
      },
    });
  }

  /** Connections of the pool, and how many callers wait for one; none before the start. */
  get connections(): { readonly total: number; readonly idle: number; readonly waiting: number } {
    if (!this.dataSource.isInitialized) return { total: 0, idle: 0, waiting: 0 };
    const { totalCount, idleCount, waitingCount } = this.pool;
    return { total: totalCount, idle: idleCount, waiting: waitingCount };
  }

  /** The pool under the data source, for statements where TypeORM's share of the time matters. Only after `start`. */
  get pool(): pg.Pool {
    return (this.dataSource.driver as unknown as { master: pg.Pool }).master;
  }

  /** Waits for Postgres, prepares schema and roles, runs what is missing of this schema's migrations, and refuses a schema that leaks. */
  async start(): Promise<void> {
    const giveUpAt = Date.now() + (this.options.startTimeoutMs ?? 60_000);
    const client = await this.#connect(giveUpAt);
    try {
      // Held to the end of this connection: of several replicas one migrates, the others wait and find it done.
      await client.query(`set lock_timeout = ${Math.max(giveUpAt - Date.now(), CONNECTION_TIMEOUT_MS)}`);
      await client.query('select pg_advisory_lock(hashtext($1), hashtext($2))', ['cloud-functions migrations', this.options.schema]);
      await client.query('set lock_timeout = 0');
      await ensureRoles(client);
      const schema = await client.query('select from pg_namespace where nspname = $1', [this.options.schema]);
      if (schema.rowCount === 0) await client.query(`create schema ${this.options.schema}`);
      await this.dataSource.initialize();
      this.#watchConnections();
      await this.#migrate(giveUpAt);
      await client.query(`grant usage on schema ${this.options.schema} to ${TENANT_ROLE}, ${SYSTEM_ROLE}`);
      await checkTenancy(client, this.options.schema);
    } catch (error) {
      if (this.dataSource.isInitialized) await this.dataSource.destroy();
      throw describeDatabaseError(error);
    } finally {
      await client.end().catch(() => undefined);
    }
    this.#status = { ok: true, detail: 'connected' };
    this.#probe = setInterval(() => void this.query('select 1').catch(() => undefined), PROBE_EVERY_MS).unref();
  }

  /** A transaction of one organization, in which row-level security hides all others. */
  tenant<T>(orgId: string, work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return this.#transaction(AS_TENANT, [orgId], work);
  }

  /** The same, and all of its statements see one moment. To read only: a write may be refused because of what others wrote since. */
  tenantMoment<T>(orgId: string, work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return this.#transaction(AS_TENANT, [orgId], work, 'REPEATABLE READ');
  }

  /** A transaction that sees all organizations, for background work. */
  system<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return this.#transaction(`select set_config('role', '${SYSTEM_ROLE}', true)`, [], work);
  }

  /** A transaction as the login, which owns the tables: for `COPY … FROM`, which Postgres refuses to roles under row-level security. */
  owner<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return this.#observed(() => this.dataSource.transaction(work));
  }

  /** One statement of its own, as the login, which sees all organizations. */
  query<R>(sql: string, params: unknown[] = []): Promise<R[]> {
    return this.#observed(async () => (await this.pool.query(sql, params)).rows as R[]);
  }

  status(): { ok: boolean; detail: string } {
    return this.#status;
  }

  async stop(): Promise<void> {
    clearInterval(this.#probe);
    this.#status = { ok: false, detail: 'stopped' };
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
  }

  #transaction<T>(
    prologue: string,
    params: unknown[],
    work: (manager: EntityManager) => Promise<T>,
    isolation?: 'REPEATABLE READ',
  ): Promise<T> {
    const run = async (manager: EntityManager): Promise<T> => {
      await manager.query(prologue, params);
      return work(manager);
    };
    return this.#observed(() => (isolation === undefined ? this.dataSource.transaction(run) : this.dataSource.transaction(isolation, run)));
  }

  async #observed<T>(work: () => Promise<T>): Promise<T> {
    try {
      const result = await work();
      if (this.#probe) this.#status = { ok: true, detail: 'connected' };
      return result;
    } catch (error) {
      const described = describeDatabaseError(error);
      this.#lost(described);
      throw described;
    }
  }

  async #connect(giveUpAt: number): Promise<pg.Client> {
    for (;;) {
      const client = new pg.Client({
        connectionString: this.options.url,
        application_name: `${this.options.name} start`,
        connectionTimeoutMillis: CONNECTION_TIMEOUT_MS,
        keepAlive: true,
      });
      client.on('error', () => undefined);
      try {
        await client.connect();
        await checkVersion(client);
        return client;
      } catch (error) {
        await client.end().catch(() => undefined);
        const described = describeDatabaseError(error);
        // A wrong password, database or certificate does not get better by waiting.
        if (!(described instanceof DatabaseError) || Date.now() > giveUpAt) throw named(described);
        this.#lost(described);
        await setTimeout(RETRY_EVERY_MS);
      }
    }
  }

  async #migrate(giveUpAt: number): Promise<void> {
    const runner = this.dataSource.createQueryRunner();
    try {
      await runner.query('set statement_timeout = 0');
      while (!(await this.#migrated(runner, giveUpAt))) await setTimeout(RETRY_EVERY_MS);
      await runner.query('reset statement_timeout');
    } finally {
      await runner.release();
    }
  }

  /** False when the release before, at work on the same tables, waited for us as we for it, and Postgres ended our transaction. */
  async #migrated(runner: QueryRunner, giveUpAt: number): Promise<boolean> {
    const executor = new MigrationExecutor(this.dataSource, runner);
    executor.transaction = 'each';
    try {
      await executor.executePendingMigrations();
      return true;
    } catch (error) {
      const described = describeDatabaseError(error);
      if (!(described instanceof DatabaseError) || described.code !== 'database_conflict' || Date.now() > giveUpAt) throw error;
      return false;
    }
  }

  #watchConnections(): void {
    const watched = new WeakSet<pg.PoolClient>();
    this.pool.on('acquire', (client) => {
      // The pool watches idle connections only; one that breaks in use would end the process.
      if (!watched.has(client)) client.on('error', (error) => this.#lost(error));
      watched.add(client);
    });
  }

  #lost(error: unknown): void {
    const described = describeDatabaseError(error);
    if (described instanceof DatabaseError && described.code === 'database_unavailable')
      this.#status = { ok: false, detail: described.message };
  }
}

/** The error of a start names the setting; its class and code stay. */
const named = (error: unknown): unknown => {
  if (error instanceof Error) error.message = `DATABASE_URL: ${error.message}`;
  return error;
};

const checkVersion = async (client: pg.Client): Promise<void> => {
  const { rows } = await client.query<{ number: number; name: string }>(
    `select current_setting('server_version_num')::int as number, current_setting('server_version') as name`,
  );
  if (rows[0] && rows[0].number < POSTGRES_VERSION_MIN) throw new Error(`Postgres ${rows[0].name} is too old: 15 or newer is needed`);
};
