import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { EmbeddedLog, type LogRecord, type PublishError } from '@cf/messaging';
import { createTestDatabase, eventually, RecordingMember, type TestDatabase } from '@cf/testing';
import { CuttableLink } from './cuttable-link.js';

const topicSpec = (name: string) => ({ name, partitions: 2, cleanup: 'delete', retentionMs: null, messageBytesMax: 100_000 }) as const;

describe('the owner of an embedded log', () => {
  let database: TestDatabase;
  let link: CuttableLink;
  let logs: EmbeddedLog[] = [];
  let topic: string;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());
  beforeEach(async () => {
    link = await CuttableLink.to(database.url);
    topic = `topic-${randomUUID()}`;
  });
  afterEach(async () => {
    link.open();
    await Promise.all(logs.map((log) => log.close()));
    logs = [];
    await link.end();
  });

  const start = async (
    url: string,
    options: { publishTimeoutMs?: number; lockTimeoutMs?: number; answerTimeoutMs?: number } = {},
  ): Promise<EmbeddedLog> => {
    const log = EmbeddedLog.onPostgres({ connectionString: url, ...options });
    await log.start();
    logs.push(log);
    await log.ensureTopics([topicSpec(topic)]);
    return log;
  };
  const publish = (log: EmbeddedLog, value: string): Promise<void> =>
    log.createPublisher('test', 'step').publish({ topic, partition: 0, key: null, value });
  const stored = async (): Promise<{ offset: number; value: string }[]> => {
    const client = new pg.Client(database.url);
    await client.connect();
    const { rows } = await client.query<{ offset: string; value: Buffer }>(
      `select r."offset", r.value from embedded_log.records r join embedded_log.segments using (segment_id) join embedded_log.topics using (topic_id)
       where name = $1 order by r."offset"`,
      [topic],
    );
    await client.end();
    return rows.map(({ offset, value }) => ({ offset: Number(offset), value: String(value) }));
  };

  it('is one process: a second start is refused, and works once the first has closed', async () => {
    const first = await start(database.url);
    const second = EmbeddedLog.onPostgres({ connectionString: database.url, lockTimeoutMs: 200 });
    await expect(second.start()).rejects.toThrow(/another process owns this log/);
    await first.close();
    logs = [];
    const third = await start(database.url);
    expect(third.status().ok).toBe(true);
  });

  it('goes on after its connection was cut, wherever the cut came: acknowledged records are there once, and delivered as they are stored', async () => {
    const log = await start(link.url);
    const delivered: LogRecord[] = [];
    const reader = log.read({ topic, from: 'beginning', onRecords: (_, records) => delivered.push(...records) });
    const publisher = log.createPublisher('test', 'step');
    const acknowledged: string[] = [];
    let publishing = true;
    const lanes = Array.from({ length: 8 }, async (_, lane) => {
      for (let number = 0; publishing; number++) {
        await publisher.publish({ topic, partition: 0, key: null, value: `${lane}-${number}` });
        acknowledged.push(`${lane}-${number}`);
      }
    });
    for (let cut = 0; cut < 12; cut++) {
      const before = acknowledged.length;
      await eventually(() => expect(acknowledged.length).toBeGreaterThan(before + 40 + 7 * cut));
      if (cut % 2 === 0) link.cut();
      else link.losesAnswers = true;
    }
    publishing = false;
    await Promise.all(lanes);
    await reader.reached(await log.endOffsets(topic), 10_000);

    const rows = await stored();
    expect(rows.map(({ offset }) => offset)).toEqual(rows.map((_, index) => index));
    expect(rows.map(({ value }) => value).sort()).toEqual([...acknowledged].sort());
    expect(delivered.map(({ offset, value }) => ({ offset, value: String(value) }))).toEqual(rows);
    for (let lane = 0; lane < 8; lane++) {
      const numbers = rows.filter(({ value }) => value.startsWith(`${lane}-`)).map(({ value }) => Number(value.split('-')[1]));
      expect(numbers).toEqual(numbers.map((_, index) => index));
    }
  });

  it('keeps the records that were inserted although the answer was lost, at the offsets they got', async () => {
    const log = await start(link.url);
    await publish(log, 'before');
    link.losesAnswers = true;
    await publish(log, 'unanswered');
    await publish(log, 'after');
    expect(await stored()).toEqual(['before', 'unanswered', 'after'].map((value, offset) => ({ offset, value })));
  });

  it('keeps its group members and their commits over a restart of Postgres', async () => {
    const log = await start(link.url);
    const group = `group-${randomUUID()}`;
    const member = await RecordingMember.join(log, { topics: [topic], group });
    await member.owns(2);
    await publish(log, 'one');
    await member.got(1);
    link.close();
    await eventually(() => expect(log.status().ok).toBe(false));
    expect(member.member.healthy()).toBe(false);
    const committed = member.commit(topic, 0, 1);
    const published = publish(log, 'two');
    link.open();
    await Promise.all([committed, published, member.got(2)]);
    expect(await log.committedOffsets(group, topic)).toEqual([1, null]);
    expect(member.lostPartitions).toEqual([]);
    await eventually(() => expect(log.status().ok).toBe(true));
  });

  it('tells publishers to come back when Postgres stays away for longer than they wait, and is red meanwhile', async () => {
    const log = await start(link.url, { publishTimeoutMs: 300 });
    await publish(log, 'one');
    link.close();
    const refused = await publish(log, 'two').catch((error: unknown) => error as PublishError);
    expect(refused).toMatchObject({ name: 'PublishError', retryable: true });
    expect(log.status()).toMatchObject({ ok: false });
    link.open();
    await eventually(() => expect(log.status().ok).toBe(true));
    await publish(log, 'three');
    expect((await stored()).map(({ value }) => value)).toEqual(['one', 'three']);
  });

  it('gives up a connection that hangs, ends the session that Postgres still keeps for it, and goes on', async () => {
    const log = await start(link.url, { answerTimeoutMs: 500 });
    await publish(log, 'one');
    link.freeze();
    await publish(log, 'two');
    expect((await stored()).map(({ value }) => value)).toEqual(['one', 'two']);
  });

  it('is fenced for good when another process took the log while it was away: nothing is appended, delivered or owned any more', async () => {
    const old = await start(link.url);
    const member = await RecordingMember.join(old, { topics: [topic] });
    await member.owns(2);
    link.close();
    await eventually(() => expect(old.status().ok).toBe(false));
    const waiting = publish(old, 'never').catch((error: unknown) => error as PublishError);
    const successor = await start(database.url);
    await publish(successor, 'from the successor');
    link.open();
    await eventually(() => expect(old.status().detail).toMatch(/another process/));
    expect(await waiting).toMatchObject({ name: 'PublishError', code: 'fenced', retryable: true });
    await expect(publish(old, 'never either')).rejects.toMatchObject({ code: 'fenced', retryable: true });
    expect(member.lostPartitions).toHaveLength(2);
    expect(member.failures.length).toBeGreaterThan(0);
    expect(member.delivered).toEqual([]);

    await successor.close();
    logs = [old];
    expect(old.status().ok).toBe(false);
    expect((await stored()).map(({ value }) => value)).toEqual(['from the successor']);
  });

  it('is fenced when another process was the owner in between, even if the lock is free again', async () => {
    const old = await start(link.url);
    await publish(old, 'one');
    link.close();
    const between = await start(database.url);
    await publish(between, 'two');
    await between.close();
    logs = [old];
    link.open();
    await eventually(() => expect(old.status().detail).toMatch(/another process/));
    await expect(publish(old, 'three')).rejects.toMatchObject({ code: 'fenced' });
    expect((await stored()).map(({ value }) => value)).toEqual(['one', 'two']);
  });

  it('does not write on when acknowledged records are gone from the table', async () => {
    const log = await start(link.url);
    for (const value of ['one', 'two', 'three']) await publish(log, value);
    link.close();
    const client = new pg.Client(database.url);
    await client.connect();
    await client.query(`delete from embedded_log.records where value = 'three'`);
    await client.end();
    link.open();
    await eventually(() => expect(log.status().detail).toMatch(/does not end where this process left it/));
    await expect(publish(log, 'four')).rejects.toMatchObject({ code: 'fenced' });
  });
});
