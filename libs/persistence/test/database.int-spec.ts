/** Postgres is real, and its connections are cut through `pg_terminate_backend` and a TCP relay; the schema is made for these promises. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type TestDatabase, createTestDatabase, eventually } from '@cf/testing';
import pg from 'pg';
import type { EntityManager, MigrationInterface, QueryRunner } from 'typeorm';
import { type Database, buildIndex, createDatabase, enableRowLevelSecurity } from '../src/index.js';

const ORG_A = randomUUID();
const ORG_B = randomUUID();

class CreateNotes1700000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('create table notes (org_id uuid not null, text text not null primary key)');
    for (const sql of enableRowLevelSecurity('notes')) await runner.query(sql);
  }
  async down(): Promise<void> {}
}

class CreateOrganizations1700000000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('create table organizations (id uuid primary key, name text not null)');
    for (const sql of enableRowLevelSecurity('organizations', 'id')) await runner.query(sql);
  }
  async down(): Promise<void> {}
}

/** Gives up where a deadlock would make Postgres end it, which is the same to who started it. */
class LockOrganizations1700000000002 implements MigrationInterface {
  static tries = 0;
  async up(runner: QueryRunner): Promise<void> {
    LockOrganizations1700000000002.tries++;
    await runner.query(`set local lock_timeout = '50ms'`);
    await runner.query('lock table organizations in access exclusive mode');
  }
  async down(): Promise<void> {}
}

class IndexTexts1700000000003 implements MigrationInterface {
  readonly transaction = false;
  async up(runner: QueryRunner): Promise<void> {
    await buildIndex(runner, 'notes_by_text', 'notes (text, org_id)');
  }
  async down(): Promise<void> {}
}

let server: TestDatabase;
const started: Database[] = [];

beforeEach(async () => {
  server = await createTestDatabase();
});

afterEach(async () => {
  for (const database of started.splice(0)) await database.stop();
  await server.drop();
});

const build = (options: Partial<Parameters<typeof createDatabase>[0]> = {}): Database => {
  const database = createDatabase({
    url: server.url,
    schema: 'notes',
    entities: [],
    migrations: [CreateNotes1700000000000, CreateOrganizations1700000000001],
    name: 'database spec',
    startTimeoutMs: 10_000,
    ...options,
  });
  started.push(database);
  return database;
};

const start = async (options?: Partial<Parameters<typeof createDatabase>[0]>): Promise<Database> => {
  const database = build(options);
  await database.start();
  return database;
};

const asLogin = async (sql: string): Promise<void> => {
  const client = new pg.Client(server.url);
  await client.connect();
  await client.query(sql).finally(() => client.end());
};

const write = (database: Database, orgId: string, text: string): Promise<unknown> =>
  database.tenant(orgId, (manager) => manager.query('insert into notes (org_id, text) values ($1, $2)', [orgId, text]));

const textsOf = async (database: Database, orgId: string): Promise<string[]> =>
  database.tenant(orgId, async (manager) =>
    (await manager.query<{ text: string }[]>('select text from notes order by text')).map(({ text }) => text),
  );

describe('a service database', () => {
  it('runs its migrations once when several replicas start at the same time', async () => {
    await Promise.all([start(), start(), start()]);
    expect(await started[0]!.query('select name from notes.migrations order by name')).toEqual([
      { name: 'CreateNotes1700000000000' },
      { name: 'CreateOrganizations1700000000001' },
    ]);
  });

  it('tries a migration again that came into conflict with the release before at the same tables', async () => {
    await (await start()).stop();
    const before = new pg.Client(server.url);
    await before.connect();
    try {
      await before.query('begin; lock table notes.organizations');
      const database = build({ migrations: [CreateNotes1700000000000, CreateOrganizations1700000000001, LockOrganizations1700000000002] });
      const migrated = database.start();
      await eventually(() => expect(LockOrganizations1700000000002.tries).toBeGreaterThan(1));
      await before.query('commit');
      await migrated;
      expect(await database.query('select count(*)::int as migrations from notes.migrations')).toEqual([{ migrations: 3 }]);
    } finally {
      await before.end();
    }
  });

  it('builds an index while the release before goes on writing, and builds anew what a broken-off build left', async () => {
    const before = await start();
    await before.query('create index notes_by_text on notes.notes (text)');
    const database = build({ migrations: [CreateNotes1700000000000, CreateOrganizations1700000000001, IndexTexts1700000000003] });
    let migrated: Promise<void> | undefined;
    await before.system(async (manager) => {
      await manager.query('insert into notes (org_id, text) values ($1, $2)', [ORG_A, 'not committed yet']);
      migrated = database.start();
      const building = `select 1 from pg_stat_activity where datname = current_database() and query like '%INDEX CONCURRENTLY%' and wait_event_type = 'Lock'`;
      await eventually(async () => expect(await before.query(building)).toHaveLength(1));
      await write(before, ORG_A, 'written meanwhile');
    });
    await migrated;
    const [index] = await database.query<{ definition: string; valid: boolean }>(
      `select pg_get_indexdef(indexrelid) as definition, indisvalid as valid from pg_index where indexrelid = 'notes.notes_by_text'::regclass`,
    );
    expect(index).toEqual({ definition: expect.stringContaining('(text, org_id)'), valid: true });
  });

  it('lets services of several schemas and databases start at once on one server', async () => {
    const other = await createTestDatabase();
    try {
      await Promise.all(['first', 'second', 'third'].flatMap((schema) => [start({ schema }), start({ schema, url: other.url })]));
      for (const database of started.splice(0)) await database.stop();
    } finally {
      await other.drop();
    }
  });

  it('shows a tenant the rows of its organization alone', async () => {
    const database = await start();
    await write(database, ORG_A, 'of a');
    await write(database, ORG_B, 'of b');
    expect(await textsOf(database, ORG_A)).toEqual(['of a']);
    expect(await textsOf(database, ORG_A.toUpperCase())).toEqual(['of a']);
    await database.tenant(ORG_A, (manager) => manager.query(`update notes set text = text || '!'`));
    await database.tenant(ORG_B, (manager) => manager.query('delete from notes'));
    expect(await textsOf(database, ORG_A)).toEqual(['of a!']);
  });

  it('shows a tenant one moment in all statements of a transaction that asks for it', async () => {
    const [database, orgId] = [await start(), randomUUID()];
    await write(database, orgId, 'before');
    const read = (manager: EntityManager) => manager.query<{ text: string }[]>('select text from notes');
    const seen = await database.tenantMoment(orgId, async (manager) => {
      const first = await read(manager);
      await write(database, orgId, 'meanwhile');
      return [first, await read(manager)];
    });
    expect(seen).toEqual([[{ text: 'before' }], [{ text: 'before' }]]);
    expect(await textsOf(database, orgId)).toEqual(['before', 'meanwhile']);
  });

  it('does not let a tenant write for another organization', async () => {
    const database = await start();
    const foreign = database.tenant(ORG_A, (manager) =>
      manager.query('insert into notes (org_id, text) values ($1, $2)', [ORG_B, 'forged']),
    );
    await expect(foreign).rejects.toThrow('row-level security');
  });

  it('gives a connection back without the organization of its last transaction', async () => {
    const database = await start({ connectionsMax: 1 });
    await write(database, ORG_A, 'of a');
    expect(await database.query('select current_user = session_user as as_login')).toEqual([{ as_login: true }]);
    expect(await database.query(`select coalesce(current_setting('cf.org_id', true), '') as organization`)).toEqual([{ organization: '' }]);
  });

  it('lets background work see all organizations', async () => {
    const database = await start();
    await write(database, ORG_A, 'of a');
    await write(database, ORG_B, 'of b');
    expect(await database.system((manager) => manager.query('select count(*)::int as rows, current_user as role from notes'))).toEqual([
      { rows: 2, role: 'cf_system' },
    ]);
  });

  it('rolls back a transaction whose work fails, and passes the error on as it came', async () => {
    const database = await start();
    const failing = database.tenant(ORG_A, async (manager) => {
      await manager.query('insert into notes (org_id, text) values ($1, $2)', [ORG_A, 'lost']);
      throw new RangeError('changed my mind');
    });
    await expect(failing).rejects.toThrow(RangeError);
    expect(await textsOf(database, ORG_A)).toEqual([]);
  });
});

describe('the tenancy guard at start', () => {
  const restarted = async (): Promise<void> => {
    for (const database of started.splice(0)) await database.stop();
    await start();
  };

  it('passes a sound schema that has rows', async () => {
    const database = await start();
    await write(database, ORG_A, 'of a');
    await expect(restarted()).resolves.toBeUndefined();
  });

  it.each([
    ['row-level security was switched off', 'alter table notes.notes disable row level security', 'no row-level security'],
    ['a policy shows every row', 'create policy leak on notes.notes using (true)', 'sees rows of "?notes"?.notes without an organization'],
    [
      'a view shows every row',
      'create view notes.all_notes as select * from notes.notes; grant select on notes.all_notes to cf_tenant',
      'sees rows',
    ],
    [
      'a table of organizations was forgotten',
      'create table notes.extra (org_id uuid); grant select on notes.extra to cf_tenant',
      'no row-level security',
    ],
  ])('refuses when %s', async (_, sql, message) => {
    await write(await start(), ORG_A, 'of a');
    await asLogin(sql);
    await expect(restarted()).rejects.toThrow(new RegExp(message));
  });
});

describe('a lost connection', () => {
  const cutAll = (): Promise<void> =>
    asLogin('select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()');

  it('is a retryable error for who was using it, and the next one gets a new connection', async () => {
    const database = await start();
    const broken = database.system(async (manager) => {
      await cutAll();
      await manager.query('select 1');
    });
    await expect(broken).rejects.toMatchObject({ code: 'database_unavailable', retryable: true });
    expect(await database.query('select 1 as alive')).toEqual([{ alive: 1 }]);
  });

  it('does not end the process when nobody listens to it', async () => {
    const database = await start();
    const held = await database.pool.connect();
    await cutAll();
    await expect(held.query('select 1')).rejects.toThrow();
    held.release(true);
    await eventually(async () => expect(await database.query('select 1 as alive')).toEqual([{ alive: 1 }]));
    await eventually(() => expect(database.status().ok).toBe(true));
  });

  it('makes a start wait until its time is up, and says why', async () => {
    const nowhere = build({ url: 'postgresql://nobody:secret@127.0.0.1:1/none', startTimeoutMs: 600 });
    await expect(nowhere.start()).rejects.toMatchObject({ code: 'database_unavailable' });
    expect(nowhere.status()).toEqual({ ok: false, detail: expect.stringContaining('ECONNREFUSED') });
  });

  it('is not waited for when the password is wrong', async () => {
    const url = new URL(server.url);
    url.password = 'wrong';
    const startedAt = Date.now();
    await expect(build({ url: url.href }).start()).rejects.toMatchObject({ code: '28P01' });
    expect(Date.now() - startedAt).toBeLessThan(5_000);
  });

  it('reports a conflict of two transactions as retryable', async () => {
    const database = await start();
    await write(database, ORG_A, 'contended');
    const blocked = database.system(async (manager) => {
      await manager.query('select from notes for update');
      await database.system(async (other) => {
        await other.query(`set local lock_timeout = '50ms'`);
        await other.query('select from notes for update');
      });
    });
    await expect(blocked).rejects.toMatchObject({ code: 'database_conflict', retryable: true });
  });
});
