import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { EmbeddedLog, MessagingError, type TopicSpec } from '@cf/messaging';
import { createTestDatabase, eventually, RecordingMember, type TestDatabase } from '@cf/testing';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

describe('what the embedded log keeps and drops', () => {
  let database: TestDatabase;
  let client: pg.Client;
  let log: EmbeddedLog;
  let topic: string;
  let aheadMs = 0;
  const realNow = Date.now.bind(Date);

  beforeAll(async () => {
    database = await createTestDatabase();
    client = new pg.Client(database.url);
    await client.connect();
    jest.spyOn(Date, 'now').mockImplementation(() => realNow() + aheadMs);
  });
  afterAll(async () => {
    jest.restoreAllMocks();
    await client.end();
    await database.drop();
  });
  const start = async (): Promise<void> => {
    const segment = { bytesMax: 5_000, ageMaxMs: HOUR_MS };
    log = EmbeddedLog.onPostgres({ connectionString: database.url, trimEveryMs: 20, recentBytesMax: 0, segment });
    await log.start();
  };
  const createTopic = async (spec: Partial<TopicSpec> = {}): Promise<void> => {
    topic = `topic-${randomUUID()}`;
    await log.ensureTopics([
      { name: topic, partitions: 2, cleanup: 'delete', retentionMs: 24 * HOUR_MS, messageBytesMax: 100_000, ...spec },
    ]);
  };
  beforeEach(start);
  afterEach(() => log.close());

  const publish = async (count: number, partition = 0, value: string | null = 'x'.repeat(100)): Promise<void> => {
    const publisher = log.createPublisher('test', 'trigger');
    for (let sent = 0; sent < count; sent++) await publisher.publish({ topic, partition, key: `key-${sent}`, value });
  };
  const segments = async (): Promise<number> => {
    const { rows } = await client.query('select 1 from embedded_log.segments join embedded_log.topics using (topic_id) where name = $1', [
      topic,
    ]);
    return rows.length;
  };
  const held = async (): Promise<number> => {
    const { rows } = await client.query(
      'select 1 from embedded_log.records join embedded_log.segments using (segment_id) join embedded_log.topics using (topic_id) where name = $1',
      [topic],
    );
    return rows.length;
  };
  const pass = (ms: number): void => {
    aheadMs += ms;
  };
  /** A few turns of the trimmer that ought to change nothing. */
  const turns = async (): Promise<void> => {
    const name = topic;
    await createTopic({ retentionMs: MINUTE_MS });
    await publish(1);
    pass(2 * HOUR_MS);
    await eventually(async () => expect(await held()).toBe(0));
    topic = name;
  };

  it('without a group: records are dropped after the topic’s retention, and offsets go on where they were', async () => {
    await createTopic();
    await publish(200);
    await publish(3, 1);
    expect(await segments()).toBeGreaterThan(3);
    await turns();
    expect(await held()).toBe(203);
    pass(25 * HOUR_MS);
    await eventually(async () => expect(await segments()).toBe(0));
    expect(await held()).toBe(0);
    expect(await log.endOffsets(topic)).toEqual([200, 3]);
    await log.close();
    await start();
    expect(await log.endOffsets(topic)).toEqual([200, 3]);
    await publish(1, 1);
    expect(await log.endOffsets(topic)).toEqual([200, 4]);
    const reader = log.read({ topic, from: 'beginning', onRecords: () => undefined });
    await reader.reached([200, 4], 5_000);
  });

  it('with groups: what all have committed is dropped once it is too old to be read back; a reader without a group holds nothing', async () => {
    await createTopic();
    const fast = await RecordingMember.join(log, { topics: [topic] });
    const slow = await RecordingMember.join(log, { topics: [topic] });
    const reader = log.read({ topic, from: 'end', onRecords: () => undefined });
    await publish(200);
    await Promise.all([fast.got(200), slow.got(200)]);
    const before = await segments();
    await fast.commit(topic, 0, 200);
    await slow.commit(topic, 0, 100);
    expect(await segments()).toBe(before);
    pass(16 * MINUTE_MS);
    await eventually(async () => expect(await segments()).toBeLessThan(before));
    await turns();
    expect(await held()).toBeGreaterThanOrEqual(100);
    await slow.commit(topic, 0, 200);
    await eventually(async () => expect(await held()).toBe(0));
    await reader.close();
  });

  it('a group that comes back to offsets that were dropped while it was away stops and is red, or begins at the earliest, as it asked', async () => {
    await createTopic();
    const [strict, lenient] = [`group-${randomUUID()}`, `group-${randomUUID()}`];
    for (const group of [strict, lenient]) {
      const member = await RecordingMember.join(log, { topics: [topic], group });
      await member.owns(2);
      await publish(10);
      await member.got(10);
      await member.commit(topic, 0, 5);
      await member.member.leave();
    }
    await publish(180);
    pass(25 * HOUR_MS);
    await eventually(async () => expect(await held()).toBe(0));
    await publish(1, 0, 'young');
    const lenientMember = await RecordingMember.join(log, { topics: [topic], group: lenient });
    await lenientMember.got(1);
    expect(lenientMember.values()).toEqual(['young']);
    const strictMember = await RecordingMember.join(log, { topics: [topic], group: strict, onOffsetOutOfRange: 'stop' });
    await eventually(() => expect(strictMember.failures[0]).toBeInstanceOf(MessagingError));
    expect(strictMember.failures[0]).toMatchObject({ code: 'offset_out_of_range' });
    expect(strictMember.member.healthy()).toBe(false);
    expect(strictMember.delivered).toEqual([]);
  });

  it('compacted: one row a key; tombstones go after a day and the end stays', async () => {
    await createTopic({ cleanup: 'compact', partitions: 1 });
    const rows = async (): Promise<number> => {
      const found = await client.query(
        'select 1 from embedded_log.compacted_records join embedded_log.topics using (topic_id) where name = $1',
        [topic],
      );
      return found.rows.length;
    };
    await publish(5);
    await publish(5);
    expect(await rows()).toBe(5);
    await publish(3, 0, null);
    await turns();
    expect(await rows()).toBe(5);
    pass(25 * HOUR_MS);
    await eventually(async () => expect(await rows()).toBe(2));
    await publish(5, 0, null);
    pass(25 * HOUR_MS);
    await eventually(async () => expect(await rows()).toBe(0));
    await log.close();
    await start();
    expect(await log.endOffsets(topic)).toEqual([18]);
    const reader = log.read({ topic, from: 'beginning', onRecords: () => undefined });
    await reader.reached([18], 5_000);
  });

  it('a backup that reads all tables holds up the dropping, not the writing', async () => {
    await createTopic();
    await publish(200);
    await client.query('begin');
    await client.query('select count(*) from embedded_log.records');
    pass(25 * HOUR_MS);
    await eventually(() => expect(log.status().detail).toMatch(/could not be dropped/));
    await publish(100);
    expect(await segments()).toBeGreaterThan(3);
    await client.query('commit');
    pass(25 * HOUR_MS);
    await eventually(async () => expect(await held()).toBe(0));
    await eventually(() => expect(log.status().detail).not.toMatch(/could not be dropped/));
  });
});
