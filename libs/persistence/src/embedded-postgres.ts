/**
 * A real Postgres from npm packages, run as a child in `DATA_DIR/postgres`, for machines without one.
 *
 * Postgres lives in a session of its own and outlives a `kill -9` of Node; nothing is lost then, and the next start takes it over.
 * Who may use and stop it is decided by one advisory lock in its database `postgres`, held by the owner connection of a live Node:
 * the kernel closes that connection with the process, so the lock is never stale.
 *
 *   no Postgres ──spawn──> ready ──reads back our challenge──> reached ──lock──> owned ──stop──> no Postgres
 *   left over by kill -9 ────┘                                    └─ held by a live process: the start fails
 *   owned ──connection lost (Postgres died or was restarted)──> reached again, on the same port, spawned anew if it is gone
 */
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type pg from 'pg';
import { initialise, readOrMakePassword } from './embedded/cluster-folder.js';
import { type Cluster, type Reached, reach } from './embedded/cluster.js';
import { findBinaries } from './embedded/postgres-binaries.js';
import { readPostmaster, stopPostmaster } from './embedded/postmaster.js';
import { postgresUser } from './embedded/system-user.js';
import { makeFolder } from './make-folder.js';

export interface EmbeddedPostgresOptions {
  /** Postgres is kept in `postgres` below it, its password and log beside that. */
  readonly dataDir: string;
  /** False switches fsync off, for tests whose rows may be lost with the machine. Default true. */
  readonly durable?: boolean;
  /** Settings of Postgres that replace those of a developer's machine, like `shared_buffers`. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Told when Postgres was lost and when it is there again. */
  readonly log?: (message: string) => void;
}

/** An ordinary role, so that development runs with the rights that production gives; it may create roles and databases. */
const LOGIN = 'cloud_functions';
const OWNER_LOCK = 7_346_201;
/** A killed process's connection is gone within milliseconds; a live one keeps it. */
const LOCK_TIMEOUT_MS = 3_000;

/** Starts Postgres in `dataDir`, or takes over the one that a killed process left there. Rejects while another live process uses it. */
export const startEmbeddedPostgres = async (options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> => {
  makeFolder(options.dataDir);
  const dataDir = realpathSync(options.dataDir);
  const folder = join(dataDir, 'postgres');
  const passwordFile = join(dataDir, 'postgres.password');
  const user = postgresUser(folder);
  const binaries = findBinaries(user);
  const password = readOrMakePassword(passwordFile, user);
  initialise(folder, binaries.initdb, passwordFile, user);
  const cluster = {
    folder,
    logPath: join(dataDir, 'postgres.log'),
    postgres: binaries.postgres,
    password,
    user,
    durable: options.durable ?? true,
    settings: options.settings ?? {},
  };
  const { client, port } = await own(cluster, null);
  await createLogin(client, password);
  return new EmbeddedPostgres(cluster, client, port, options.log ?? (() => undefined));
};

export class EmbeddedPostgres {
  /** Where services log in; it stays the same when Postgres is started again. */
  readonly url: string;
  #owner: pg.Client | undefined;
  #stopping = false;
  #recovered: Promise<void> = Promise.resolve();

  constructor(
    private readonly cluster: Cluster,
    owner: pg.Client,
    private readonly port: number,
    private readonly log: (message: string) => void,
  ) {
    this.url = `postgresql://${LOGIN}:${cluster.password}@127.0.0.1:${port}/${LOGIN}`;
    this.#hold(owner);
  }

  status(): { ok: boolean; detail: string } {
    return this.#owner
      ? { ok: true, detail: `embedded Postgres on port ${this.port}` }
      : { ok: false, detail: 'embedded Postgres was lost' };
  }

  /** Breaks off what still runs in it, and waits until it has ended. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#recovered;
    const owner = this.#owner;
    const postmaster = readPostmaster(this.cluster.folder);
    if (owner && postmaster) await stopPostmaster(postmaster.pid, this.cluster.folder, true);
    await owner?.end();
  }

  #hold(owner: pg.Client): void {
    this.#owner = owner;
    owner.once('end', () => {
      this.#owner = undefined;
      if (!this.#stopping) this.#recovered = this.#recover();
    });
  }

  async #recover(): Promise<void> {
    this.log('the embedded Postgres was lost');
    while (!this.#stopping) {
      try {
        this.#hold((await own(this.cluster, this.port)).client);
        this.log('the embedded Postgres is there again');
        return;
      } catch (error) {
        this.log(`the embedded Postgres is still lost: ${(error as Error).message}`);
        await setTimeout(1_000);
      }
    }
  }
}

const own = async (cluster: Cluster, port: number | null): Promise<Reached> => {
  const reached = await reach(cluster, port);
  try {
    await lock(reached.client, cluster.folder);
    if (port === null || reached.port === port) return reached;
    // Another process had started it elsewhere and died; our services know only the first port.
    const postmaster = readPostmaster(cluster.folder);
    if (postmaster) await stopPostmaster(postmaster.pid, cluster.folder, true);
  } catch (error) {
    await reached.client.end();
    throw error;
  }
  await reached.client.end();
  return own(cluster, port);
};

const lock = async (client: pg.Client, folder: string): Promise<void> => {
  for (const giveUpAt = Date.now() + LOCK_TIMEOUT_MS; ; await setTimeout(50)) {
    const taken = await client.query<{ locked: boolean }>('select pg_try_advisory_lock($1) as locked', [OWNER_LOCK]);
    if (taken.rows[0]?.locked) return;
    if (Date.now() < giveUpAt) continue;
    const holder = await client.query<{ application_name: string }>(
      `select application_name from pg_stat_activity join pg_locks using (pid) where locktype = 'advisory' and objid = $1 and granted`,
      [OWNER_LOCK],
    );
    throw new Error(
      `${folder} is in use by another running program (${holder.rows[0]?.application_name ?? 'just ended'}): stop it, or choose another DATA_DIR`,
    );
  }
};

const createLogin = async (client: pg.Client, password: string): Promise<void> => {
  const roles = await client.query('select from pg_roles where rolname = $1', [LOGIN]);
  if (roles.rowCount === 0) await client.query(`create role ${LOGIN} login createrole createdb password ${client.escapeLiteral(password)}`);
  const databases = await client.query('select from pg_database where datname = $1', [LOGIN]);
  if (databases.rowCount === 0) await client.query(`create database ${LOGIN} owner ${LOGIN}`);
};
