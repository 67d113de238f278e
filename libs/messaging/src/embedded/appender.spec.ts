import { describe, expect, it } from '@jest/globals';
import type { LogRecord, TopicSpec } from '../log.js';
import { PublishError } from '../errors.js';
import { Appender } from './appender.js';
import { AppendRefused } from './log-storage.js';
import { LogView } from './log-view.js';
import { MemoryStorage } from './memory-storage.js';

const TOPIC: TopicSpec = { name: 'topic', partitions: 1, cleanup: 'delete', retentionMs: null, messageBytesMax: 1_000 };

/** Keeps what it is given, but never a record with the value "bad", and nothing at all while it is troubled. */
class ChoosyStorage extends MemoryStorage {
  readonly batches: string[][] = [];
  troubles = 0;

  override async append(records: readonly LogRecord[]): Promise<void> {
    const values = records.map(({ value }) => String(value));
    this.batches.push(values);
    if (this.troubles-- > 0) throw new AppendRefused('the disk is full', false);
    if (values.includes('bad')) throw new AppendRefused('it is bad', true);
    await super.append(records);
  }
}

const open = async (publishTimeoutMs = 60_000) => {
  const storage = new ChoosyStorage();
  await storage.createTopic(TOPIC);
  const view = new LogView(storage, 1_000_000);
  view.add(TOPIC);
  const bounds = { batchRecordsMax: 100, batchBytesMax: 1_000_000, queuedRecordsMax: 1_000, queuedBytesMax: 1_000_000, publishTimeoutMs };
  const appender = new Appender(storage, view, bounds);
  appender.open(0);
  const append = (value: string): Promise<void> =>
    appender.append('step', { topic: TOPIC.name, partition: 0, key: null, value: Buffer.from(value), headers: {} });
  const stored = (): string[] =>
    (view.partition(TOPIC.name, 0).recentFrom(0, 1_000) ?? []).map(({ offset, value }) => `${offset} ${String(value)}`);
  return { storage, view, appender, append, stored };
};

describe('Appender', () => {
  it('writes what came in one tick at once, and all that came meanwhile next', async () => {
    const { storage, append } = await open();
    await Promise.all([append('a'), append('b')]);
    const third = append('c');
    await Promise.resolve();
    await Promise.all([third, append('d'), append('e')]);
    expect(storage.batches).toEqual([['a', 'b'], ['c'], ['d', 'e']]);
  });

  it('leaves no record behind that comes in any of the ticks in which a run ends', async () => {
    const { append } = await open();
    for (let ticks = 0; ticks < 20; ticks++) {
      await append('first');
      for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
      await append('second');
    }
  });

  it('fails only the record that can never be stored, and keeps the order and the offsets of the others', async () => {
    const { append, stored } = await open();
    const outcomes = await Promise.allSettled(['a', 'b', 'bad', 'c', 'd'].map(append));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    expect(outcomes[2]).toMatchObject({ reason: { code: 'refused', retryable: false } });
    expect(stored()).toEqual(['0 a', '1 b', '2 c', '3 d']);
  });

  it('tries again while the storage is in trouble, and says so', async () => {
    const { storage, appender, append, stored } = await open();
    storage.troubles = 2;
    const appended = Promise.all([append('a'), append('b')]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(appender.trouble).toBe('the disk is full');
    await appended;
    expect(appender.trouble).toBeNull();
    expect(stored()).toEqual(['0 a', '1 b']);
  });

  it('does not store a record later whose publisher was told to come back', async () => {
    const { storage, append, stored } = await open(100);
    storage.troubles = 4;
    await expect(append('late')).rejects.toMatchObject({ code: 'not_appended', retryable: true });
    storage.troubles = 0;
    await append('next');
    expect(stored()).toEqual(['0 next']);
  });

  it('rejects everything once it is fenced', async () => {
    const { appender, append, storage } = await open();
    storage.troubles = Infinity;
    const waiting = append('a');
    appender.fence('another process owns this log');
    await expect(waiting).rejects.toBeInstanceOf(PublishError);
    await expect(append('b')).rejects.toMatchObject({ code: 'fenced', retryable: true });
    await appender.close();
  });

  it('never lets the time of the log go back', async () => {
    const { appender, append, view } = await open();
    const ahead = Date.now() + 60_000;
    appender.open(ahead);
    await append('a');
    expect(view.partition(TOPIC.name, 0).recentFrom(0, 1)?.[0]?.timestampMs).toBe(ahead);
  });
});
