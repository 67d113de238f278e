import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { eventually } from './eventually.js';

export interface TestDatabase {
  readonly url: string;
  drop(): Promise<void>;
}

/**
 * An empty database of its own on the Postgres that the test run started, or on that of TEST_DATABASE_URL, whose login must be allowed to create
 * databases and roles. `drop` ends what is still connected to it.
 */
export const createTestDatabase = async (): Promise<TestDatabase> => {
  const serverUrl = process.env['CF_TEST_DATABASE_URL'];
  if (!serverUrl) throw new Error('no Postgres for tests: run specs through the jest.config.mjs of the workspace root');
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await onServer(serverUrl, `create database ${name} template template0`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => drop(serverUrl, name) };
};

/** Autovacuum may be at work in it for a moment, which only a superuser could end. */
const drop = (serverUrl: string, name: string): Promise<void> =>
  eventually(() => onServer(serverUrl, `drop database if exists ${name} with (force)`), 15_000, 200);

const onServer = async (url: string, sql: string): Promise<void> => {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
};
