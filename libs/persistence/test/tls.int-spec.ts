/** A real Postgres that speaks TLS with a certificate signed by itself. */
import { chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, testCertificate } from '@cf/testing';
import pg from 'pg';
import { type Database, type EmbeddedPostgres, createDatabase, startEmbeddedPostgres } from '../src/index.js';

const dataDir = mkdtempSync(join(tmpdir(), 'cf-tls-'));
const certificate = join(dataDir, 'certificate.pem');
let server: EmbeddedPostgres;
let database: Database | undefined;

beforeAll(async () => {
  server = await startEmbeddedPostgres({ dataDir, durable: false });
  writeFileSync(certificate, testCertificate.cert);
  const { uid, gid } = statSync(join(dataDir, 'postgres'));
  for (const [name, text] of Object.entries({ 'server.key': testCertificate.key, 'server.crt': testCertificate.cert })) {
    const path = join(dataDir, 'postgres', name);
    writeFileSync(path, text, { mode: 0o600 });
    chownSync(path, uid, gid);
  }
  const administrator = new URL(server.url);
  administrator.username = 'postgres';
  const client = new pg.Client(administrator.href);
  await client.connect();
  await client.query('alter system set ssl = on');
  await client.query('select pg_reload_conf()');
  await eventually(async () => expect((await client.query('show ssl')).rows).toEqual([{ ssl: 'on' }]));
  await client.end();
});

afterEach(async () => {
  await database?.stop();
  database = undefined;
});

afterAll(async () => {
  await server.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

const start = async (parameters: string): Promise<Database> => {
  database = createDatabase({ url: `${server.url}?${parameters}`, schema: 'tls', entities: [], migrations: [], name: 'tls spec' });
  await database.start();
  return database;
};

const isEncrypted = (encrypted: Database): Promise<unknown[]> =>
  encrypted.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()');

describe('the address of a database', () => {
  it('asks for TLS and names the certificate to trust', async () => {
    expect(await isEncrypted(await start(`sslmode=verify-full&sslrootcert=${certificate}`))).toEqual([{ ssl: true }]);
  });

  it('does not reach a server whose certificate is not trusted, and does not wait for it', async () => {
    await expect(start('sslmode=verify-full')).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  });

  it('can ask for TLS without trust, and for none', async () => {
    expect(await isEncrypted(await start('sslmode=no-verify'))).toEqual([{ ssl: true }]);
    await database?.stop();
    expect(await isEncrypted(await start('sslmode=disable'))).toEqual([{ ssl: false }]);
  });
});
