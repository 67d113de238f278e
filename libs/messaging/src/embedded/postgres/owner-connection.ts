/**
 * The one connection that writes. It holds a session advisory lock of the database, so as long as Postgres keeps the session,
 * no other process writes; when the session ends, nothing more of this process can be written through it.
 *
 *   taking ──> owned ──(connection ends)──> lost ──(lock again, owner unchanged, log verified)──> owned
 *                                            └──(another session holds the lock, or wrote meanwhile)──> fenced, for ever
 *
 * Whether another process was the owner between two sessions of this one is told by the row in `owner`: each process writes its own id.
 */
import { randomUUID } from 'node:crypto';
import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Ownership } from '../log-storage.js';
import { isTemporary, sqlState } from './postgres-errors.js';
import { migrate } from './schema.js';

/** "cf" and "log" in ASCII; a lock of the database, so logs in different databases don't meet. */
const LOCK = [0x6366, 0x6c6f67];
const RETRY_MS = 100;

export interface OwnerConnectionOptions {
  readonly connectionString: string;
  /** How long `take` waits for a Postgres that does not answer yet. */
  readonly connectTimeoutMs: number;
  /** How long `take` waits for the lock: the session of a killed process may take a moment to vanish. */
  readonly lockTimeoutMs: number;
  /** Without an answer for so long the connection is given up. */
  readonly answerTimeoutMs: number;
  readonly onOwnership: (ownership: Ownership, reason: string) => void;
  /** Called with the lock held, before the connection is used by others; throwing `Fenced` gives up for good. */
  readonly verify: (client: pg.Client) => Promise<void>;
}

/** The connection ended before the answer came: what was asked may have happened or not. */
export class ConnectionLost extends Error {}
/** This process may not write any more. */
export class Fenced extends Error {}

interface Session {
  readonly client: pg.Client;
  readonly socket: Socket;
  /** Identifies the session in `pg_stat_activity`: process ids are used again. */
  readonly pid: number;
  readonly startedAt: string;
}

export class OwnerConnection {
  private readonly owner = randomUUID();
  private session: Session | null = null;
  private previous: Session | null = null;
  private ending: Error | null = null;
  private turn: Promise<unknown> = Promise.resolve();
  private waiters: (() => void)[] = [];

  constructor(private readonly options: OwnerConnectionOptions) {}

  /** Becomes the owner and brings the schema up to date. */
  async take(): Promise<void> {
    const session = await this.connected(Date.now() + this.options.connectTimeoutMs);
    try {
      const giveUpAt = Date.now() + this.options.lockTimeoutMs;
      while (!(await this.locked(session.client))) {
        if (Date.now() > giveUpAt) throw new Error(`another process owns this log: ${await this.holder(session.client)}`);
        await delay(RETRY_MS);
      }
      await migrate(session.client);
      await session.client.query(
        'insert into embedded_log.owner (owner) values ($1) on conflict (singleton) do update set owner = excluded.owner',
        [this.owner],
      );
      await this.options.verify(session.client);
    } catch (error) {
      session.socket.destroy();
      throw error;
    }
    this.use(session);
  }

  /** Runs alone on the connection. Rejects with `ConnectionLost`, `Fenced` or what Postgres said. */
  run<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const result = this.turn.then(() => this.runNow(work));
    this.turn = result.catch(() => undefined);
    return result;
  }

  /** Waits until this process may write. */
  async owned(timeoutMs = Infinity): Promise<void> {
    const giveUpAt = Date.now() + timeoutMs;
    while (this.session === null) {
      if (this.ending !== null) throw this.ending;
      if (Date.now() >= giveUpAt) throw new ConnectionLost('the connection to Postgres is lost');
      await Promise.race([
        new Promise<void>((resolve) => this.waiters.push(resolve)),
        ...(timeoutMs === Infinity ? [] : [delay(RETRY_MS)]),
      ]);
    }
  }

  /** Gives up writing for good. */
  fence(reason: Fenced): void {
    this.ending = reason;
    this.session?.socket.destroy();
    this.session = null;
    this.options.onOwnership('fenced', `${reason.message}; this process must be restarted`);
    this.wakeWaiters();
  }

  async close(): Promise<void> {
    this.ending = new Fenced('the log is closed');
    const { session } = this;
    this.session = null;
    this.wakeWaiters();
    await session?.client.end();
  }

  private async runNow<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const { session } = this;
    if (session === null) throw this.ending ?? new ConnectionLost('the connection to Postgres is lost');
    try {
      return await work(session.client);
    } catch (error) {
      if (sqlState(error) !== null && this.session === session && !isSessionEnd(error)) {
        // A transaction that failed half-way must not swallow what comes next.
        await session.client.query('rollback').catch(() => session.socket.destroy());
        throw error;
      }
      this.lose(session, error);
      throw new ConnectionLost('the connection to Postgres was lost', { cause: error });
    }
  }

  private use(session: Session): void {
    this.session = session;
    session.client.on('end', () => this.lose(session, new Error('Postgres ended the connection')));
    this.options.onOwnership('owned', 'stored in Postgres');
    this.wakeWaiters();
  }

  private lose(session: Session, error: unknown): void {
    if (this.session !== session) return;
    this.session = null;
    this.previous = session;
    session.socket.destroy();
    const reason = `lost the connection to Postgres that may write: ${error instanceof Error ? error.message : String(error)}`;
    this.options.onOwnership('lost', reason);
    void this.regain();
  }

  private async regain(): Promise<void> {
    while (this.ending === null) {
      let session: Session | null = null;
      try {
        session = await this.connected(Infinity);
        if (await this.lockedAgain(session.client)) {
          await this.options.verify(session.client);
          if (this.ending === null) return this.use(session);
        }
      } catch (error) {
        if (error instanceof Fenced) this.fence(error);
      }
      session?.socket.destroy();
      await delay(RETRY_MS);
    }
  }

  private async lockedAgain(client: pg.Client): Promise<boolean> {
    if (!(await this.locked(client))) {
      if (await this.endPrevious(client)) return false;
      throw new Fenced(`another process owns this log: ${await this.holder(client)}`);
    }
    const { rows } = await client.query<{ owner: string }>('select owner from embedded_log.owner');
    if (rows[0]?.owner !== this.owner) throw new Fenced('another process has owned this log meanwhile');
    return true;
  }

  private async locked(client: pg.Client): Promise<boolean> {
    const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock($1, $2) as locked', LOCK);
    return rows[0]?.locked === true;
  }

  /** A session of this process that Postgres still believes in keeps the lock from it: true when it was there to be ended, or nobody holds it. */
  private async endPrevious(client: pg.Client): Promise<boolean> {
    const { rows } = await client.query<{ pid: number; started_at: string }>(HOLDER, LOCK);
    const [holder] = rows;
    if (holder === undefined) return true;
    if (holder.pid !== this.previous?.pid || holder.started_at !== this.previous.startedAt) return false;
    await client.query('select pg_terminate_backend($1)', [holder.pid]);
    return true;
  }

  private async holder(client: pg.Client): Promise<string> {
    const { rows } = await client.query<{ pid: number; started_at: string; application_name: string; address: string | null }>(
      HOLDER,
      LOCK,
    );
    const [holder] = rows;
    if (holder === undefined) return 'it just let go';
    return `Postgres session ${holder.pid} (${holder.application_name}) from ${holder.address ?? 'this machine'} since ${holder.started_at}`;
  }

  private async connected(giveUpAt: number): Promise<Session> {
    for (;;) {
      try {
        return await this.connect();
      } catch (error) {
        if (!isTemporary(error) || Date.now() > giveUpAt || this.ending !== null) throw error;
        await delay(RETRY_MS);
      }
    }
  }

  private async connect(): Promise<Session> {
    const socket = new Socket();
    const client = new pg.Client({
      connectionString: this.options.connectionString,
      application_name: 'cloud-functions embedded log, owner',
      connectionTimeoutMillis: 5_000,
      query_timeout: this.options.answerTimeoutMs,
      keepAlive: true,
      stream: () => socket,
    });
    // Told through `end` and through rejected queries; without a listener it would end the process.
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query(`select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'`);
      const { rows } = await client.query<{ pid: number; started_at: string; stand_by: boolean }>(
        'select pid, backend_start::text as started_at, pg_is_in_recovery() as stand_by from pg_stat_activity where pid = pg_backend_pid()',
      );
      if (rows[0]?.stand_by === true) throw new Error('this Postgres is a stand-by');
      return { client, socket, pid: rows[0]?.pid ?? 0, startedAt: rows[0]?.started_at ?? '' };
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  private wakeWaiters(): void {
    const { waiters } = this;
    this.waiters = [];
    for (const wake of waiters) wake();
  }
}

const HOLDER = `
  select a.pid, a.backend_start::text as started_at, a.application_name, a.client_addr::text as address
  from pg_locks l join pg_stat_activity a on a.pid = l.pid
  where l.locktype = 'advisory' and l.granted and l.classid = $1 and l.objid = $2 and l.objsubid = 2
    and l.database = (select oid from pg_database where datname = current_database())`;

const isSessionEnd = (error: unknown): boolean => ['FATAL', 'PANIC'].includes((error as { severity?: string }).severity ?? '');
