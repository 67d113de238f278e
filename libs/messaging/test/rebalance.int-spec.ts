/**
 * Real: parallel consumers of one group on the embedded log in memory, members coming and going. Nothing is fake.
 */
import { afterEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@cf/testing';
import { EmbeddedLog } from '../src/embedded/embedded-log.js';
import { ParallelConsumer } from '../src/consumer/parallel-consumer.js';
import type { LogRecord } from '../src/log.js';
import type { ParallelConsumerOptions } from '../src/parallel-consumer-options.js';

const TOPIC = 'work';
const RECORDS = 3_000;
const PARTITIONS = 6;
const KEYS = 40;

const closing: (() => Promise<void>)[] = [];

const openLog = async (): Promise<EmbeddedLog> => {
  const log = EmbeddedLog.inMemory();
  await log.start();
  await log.ensureTopics([{ name: TOPIC, partitions: PARTITIONS, cleanup: 'delete', retentionMs: null, messageBytesMax: 1_000 }]);
  closing.push(() => log.close());
  return log;
};

/** Counts starts and checks on every one of them that its key runs nowhere else and its predecessor came first. */
class Ledger {
  readonly starts = new Map<string, number>();
  readonly violations: string[] = [];
  private readonly runningKeys = new Set<string>();
  private readonly lastOfKey = new Map<string, number>();

  readonly handle = async (record: LogRecord): Promise<void> => {
    const key = String(record.key);
    const name = `${record.partition}:${record.offset}`;
    if (this.runningKeys.has(key)) this.violations.push(`${key} runs twice`);
    if (record.offset < (this.lastOfKey.get(key) ?? -1)) this.violations.push(`${name} of ${key} is late`);
    this.runningKeys.add(key);
    this.lastOfKey.set(key, record.offset);
    this.starts.set(name, (this.starts.get(name) ?? 0) + 1);
    await new Promise((resolve) => setTimeout(resolve, record.offset % 17 === 0 ? 30 : 1));
    this.runningKeys.delete(key);
  };
}

const consumerOf = async (log: EmbeddedLog, ledger: Ledger, options: Partial<ParallelConsumerOptions> = {}): Promise<ParallelConsumer> => {
  const consumer = new ParallelConsumer(
    log,
    {
      group: 'group',
      topics: [TOPIC],
      maxInFlight: 20,
      maxBufferedRecords: 300,
      maxBufferedBytes: 1_000_000,
      onRevoke: 'drain',
      drainTimeoutMs: 5_000,
      ...options,
    },
    { handle: ledger.handle, unprocessable: () => Promise.reject(new Error('not expected')), orderKey: ({ key }) => String(key) },
  );
  await consumer.start();
  closing.unshift(() => consumer.stop());
  return consumer;
};

const publish = async (log: EmbeddedLog): Promise<void> => {
  const publisher = log.createPublisher('test', 'step');
  for (let i = 0; i < RECORDS; i += 100) {
    await Promise.all(
      Array.from({ length: 100 }, (_, j) => publisher.publish({ topic: TOPIC, key: `key-${(i + j) % KEYS}`, value: String(i + j) })),
    );
  }
};

const everythingIsCommitted = (log: EmbeddedLog): Promise<void> =>
  eventually(async () => expect(await log.committedOffsets('group', TOPIC)).toEqual(await log.endOffsets(TOPIC)), 30_000);

describe('parallel consumers of one group', () => {
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  it('handle every record once and in order while members come and go', async () => {
    const log = await openLog();
    const ledger = new Ledger();
    const first = await consumerOf(log, ledger);
    const published = publish(log);
    await eventually(() => expect(ledger.starts.size).toBeGreaterThan(200));
    await consumerOf(log, ledger);
    await eventually(() => expect(ledger.starts.size).toBeGreaterThan(800));
    await first.stop();
    await eventually(() => expect(ledger.starts.size).toBeGreaterThan(1_200));
    await consumerOf(log, ledger);
    await published;
    await everythingIsCommitted(log);
    expect(ledger.violations).toEqual([]);
    expect(ledger.starts.size).toBe(RECORDS);
    expect([...ledger.starts.values()].filter((starts) => starts > 1)).toEqual([]);
  });

  it('repeat nothing when running calls are committed as done', async () => {
    const log = await openLog();
    const ledger = new Ledger();
    const first = await consumerOf(log, ledger, { onRevoke: 'complete-running' });
    const published = publish(log);
    await eventually(() => expect(ledger.starts.size).toBeGreaterThan(200));
    await consumerOf(log, ledger, { onRevoke: 'complete-running' });
    await eventually(() => expect(ledger.starts.size).toBeGreaterThan(800));
    await first.stop();
    await published;
    await everythingIsCommitted(log);
    expect(ledger.starts.size).toBe(RECORDS);
    expect([...ledger.starts.values()].filter((starts) => starts > 1)).toEqual([]);
  });
});
