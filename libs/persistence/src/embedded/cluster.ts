import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { ADMINISTRATOR } from './cluster-folder.js';
import { type Postmaster, forgetStalePostmaster, isAlive, readPostmaster, spawnPostmaster, stopPostmaster } from './postmaster.js';
import { type SystemUser, give } from './system-user.js';

export interface Cluster {
  readonly folder: string;
  readonly logPath: string;
  readonly postgres: string;
  readonly password: string;
  readonly user: SystemUser | undefined;
  readonly durable: boolean;
  readonly settings: Readonly<Record<string, string | number>>;
}

export interface Reached {
  /** Logged in as the administrator. */
  readonly client: pg.Client;
  readonly port: number;
}

/** Recovery after a crash of the machine replays at most `max_wal_size`: seconds, even on a slow disk. */
const REACH_TIMEOUT_MS = 60_000;
/** A left-over Postgres that is healthy answers at once; after this long it is stopped and started anew. */
const ADOPTION_TIMEOUT_MS = 5_000;
/** Lost ports and the last backends of a killed Postgres clear up within a second; anything else will not change by trying again. */
const SPAWNS_MAX = 5;
const LOG_BYTES_MAX = 10 * 1024 * 1024;

/** A connection to a Postgres that surely runs in this folder: the one that is there, else a new one, on `port` when one is given. */
export const reach = async (cluster: Cluster, port: number | null): Promise<Reached> => {
  const startedAt = Date.now();
  let spawns = 0;
  let failure = 'it does not become ready';
  for (; Date.now() - startedAt < REACH_TIMEOUT_MS; await setTimeout(20)) {
    forgetStalePostmaster(cluster.folder);
    const found = readPostmaster(cluster.folder);
    if (!found) {
      if (spawns === SPAWNS_MAX) break;
      await setTimeout(200 * spawns++);
      failure = (await spawn(cluster, port ?? (await freePort()))) ?? failure;
    } else if (found.ready) {
      try {
        return { client: await connect(cluster, found), port: found.port };
      } catch (error) {
        failure = (error as Error).message;
      }
    }
    if (found && spawns === 0 && Date.now() - startedAt > ADOPTION_TIMEOUT_MS) await stopPostmaster(found.pid, cluster.folder, false);
  }
  throw new Error(`Postgres in ${cluster.folder} cannot be started: ${failure}`);
};

/** Resolves when Postgres is ready, or with its last words when it ended before. */
const spawn = async (cluster: Cluster, port: number): Promise<string | undefined> => {
  const log = openSync(cluster.logPath, 'a', 0o600);
  if (statSync(cluster.logPath).size > LOG_BYTES_MAX) truncateSync(cluster.logPath);
  const from = statSync(cluster.logPath).size;
  const { pid, failed } = spawnPostmaster({ ...cluster, port, log });
  closeSync(log);
  for (const giveUpAt = Date.now() + REACH_TIMEOUT_MS; isAlive(pid) && Date.now() < giveUpAt; await setTimeout(10)) {
    const postmaster = readPostmaster(cluster.folder);
    if (postmaster?.pid === pid && postmaster.ready) return undefined;
  }
  return (await failed)?.message ?? readFileSync(cluster.logPath).subarray(from).toString('utf8').trim();
};

const connect = async (cluster: Cluster, postmaster: Postmaster): Promise<pg.Client> => {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: postmaster.port,
    user: ADMINISTRATOR,
    password: cluster.password,
    database: ADMINISTRATOR,
    application_name: `cloud-functions owner, process ${process.pid}`,
    connectionTimeoutMillis: 3_000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await challenge(cluster, client);
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
};

/** A port and a password can be those of a copy of this folder, so Postgres must read back what was just written into it. */
const challenge = async (cluster: Cluster, client: pg.Client): Promise<void> => {
  const name = `owner.challenge.${process.pid}`;
  const path = join(cluster.folder, name);
  const expected = randomBytes(16).toString('hex');
  writeFileSync(path, expected, { mode: 0o600 });
  try {
    give(path, cluster.user);
    const { rows } = await client.query<{ answer: string | null }>('select pg_read_file($1, true) as answer', [name]);
    if (rows[0]?.answer !== expected) throw new Error('what answers on its port is another Postgres');
  } finally {
    rmSync(path, { force: true });
  }
};

const freePort = async (): Promise<number> => {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
};
