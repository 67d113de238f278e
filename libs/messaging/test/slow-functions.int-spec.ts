/** Real: the whole consumer engine. Scripted: the log and the handlers; the time is the test's. What slow and failing functions must not do. */
import { describe, expect, it } from '@jest/globals';
import { decodeOffsetMetadata, encodeOffsetMetadata } from '../src/consumer/offset-metadata.js';
import type { ParallelConsumer } from '../src/consumer/parallel-consumer.js';
import type { LogRecord } from '../src/log.js';
import type { GroupPolicy, ParallelConsumerOptions, RecordContext } from '../src/parallel-consumer-options.js';
import { consume as consumeScripted, time } from './scripted-consumer.js';
import { ScriptedHandler } from './scripted-handler.js';
import { ScriptedLog, TOPIC } from './scripted-log.js';

const { eventually, passing, elapse } = time;
const QUOTA = { callMs: 3_000, worksOffMs: 30_000 };

const consume = (
  log: ScriptedLog,
  policy: Partial<GroupPolicy> & Pick<GroupPolicy, 'handle'>,
  options: Partial<ParallelConsumerOptions> = {},
): Promise<ParallelConsumer> =>
  consumeScripted(log, policy, { maxInFlight: 256, maxBufferedRecords: 20_000, maxBufferedBytes: 1e9, drainTimeoutMs: 500, ...options });

const functionOf = ({ headers }: LogRecord): string => headers['function'] ?? '';
const bulkhead = (record: LogRecord) => ({ key: functionOf(record), limit: 40 });

/** Calls of a function named by its ms take so long; surplus is let go at once. */
const callsOf = (done: (record: LogRecord) => void) => async (record: LogRecord, context: RecordContext) => {
  if (!context.isSurplus) await time.wait(Number(functionOf(record)));
  if (!context.signal.aborted) done(record);
};

describe('a function whose calls hang', () => {
  it('holds up nobody else when its records belong to a few chats, each of which runs one at a time', async () => {
    const log = new ScriptedLog();
    const quick = new Set<number>();
    const handle = callsOf((record) => functionOf(record) === '1' && quick.add(record.offset));
    const orderKey = (record: LogRecord): string => `${functionOf(record)}/${record.headers['chat']}`;
    const consumer = await consume(log, { handle, bulkhead, orderKey }, { maxBufferedRecords: 500, quota: QUOTA });
    await passing(log.assign(0));
    for (let i = 0; i < 1_000; i++) log.write(0, { headers: { function: '10000', chat: String(i % 19) } });
    for (let i = 0; i < 100; i++) log.write(0, { headers: { function: '1', chat: String(i) } });
    await eventually(() => expect(quick.size).toBe(100));
    await eventually(() => expect(consumer.stats().heldPartitions).toBe(0));
  });
});

describe('what is done while a slow function has its backlog', () => {
  const uncovered = (log: ScriptedLog, done: ReadonlySet<number>): number => {
    const { offset, metadata = '' } = log.commits.at(-1)!;
    const { completed } = decodeOffsetMetadata({ topic: TOPIC, partition: 0 }, offset, metadata);
    const covered = new Set<number>();
    for (let i = 0; i < completed.length; i += 2) for (let at = completed[i]!; at < completed[i + 1]!; at++) covered.add(at);
    return [...done].filter((at) => at >= offset && !covered.has(at)).length;
  };

  it.each([
    ['with a quota its surplus is let go', QUOTA],
    ['without one its partition is held', undefined],
  ])(
    'is told beside the committed offset, so that a crash does not repeat it: %s',
    async (_, quota) => {
      const log = new ScriptedLog();
      const done = new Set<number>();
      const handle = callsOf(({ offset }) => done.add(offset));
      await consume(log, { handle, bulkhead }, { ...(quota !== undefined && { quota }) });
      await passing(log.assign(0));
      for (let second = 0; second < 60; second++) {
        for (let i = 0; i < 1_000; i++) log.write(0, { headers: { function: i % 20 === 0 ? '2900' : '1' } });
        await elapse(1_000);
        // What was completed since the last commit.
        expect(uncovered(log, done)).toBeLessThanOrEqual(256);
      }
      expect(done.size).toBeGreaterThan(quota === undefined ? 10_000 : 55_000);
    },
    120_000,
  );
});

const open = (offset: number, suspects: readonly { offset: number; deaths: number }[]): string =>
  encodeOffsetMetadata({ topic: TOPIC, partition: 0 }, offset, {
    isOpen: true,
    suspects: suspects.map((suspect) => ({ ...suspect, announced: true })),
    completed: [],
  }).metadata;

describe('after a death', () => {
  const leftBy = (log: ScriptedLog, metadata: string): void => void log.commits.push({ topic: TOPIC, partition: 0, offset: 0, metadata });

  it('a record that has to run alone does not wait for one that is tried again for ever, and that one tries on afterwards', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    leftBy(log, open(0, [{ offset: 1, deaths: 1 }]));
    for (let i = 0; i < 4; i++) log.write(0);
    handler.byItself.set('0:0', (tries) => (tries < 30 ? Object.assign(new Error('away'), { retryable: true }) : null));
    await consume(log, { handle: handler.handle });
    await passing(log.assign(0));
    await eventually(() => expect(handler.running).toEqual(['0:1']));
    const tries = handler.started.length;
    await elapse(5_000);
    expect(handler.started).toHaveLength(tries);
    handler.end('0:1');
    await eventually(() => expect(handler.running).toEqual(['0:2', '0:3']));
    handler.endAll();
    await eventually(() => expect(log.committed(0)).toBe(4), 120_000);
  });

  it('records that came later than it start at once, without being announced', async () => {
    const log = new ScriptedLog();
    leftBy(log, open(0, []));
    for (let i = 0; i < 3; i++) log.write(0);
    const handler = new ScriptedHandler(true);
    await consume(log, { handle: handler.handle });
    await passing(log.assign(0));
    await eventually(() => expect(log.committed(0)).toBe(3));
    log.commitError = new Error('coordinator is away');
    log.write(0);
    await elapse(20);
    expect(handler.ended).toContain('0:3');
    log.commitError = null;
  });

  it('is counted again by an owner that lost the partition before its first commit and has it again', async () => {
    const log = new ScriptedLog();
    leftBy(log, open(0, [{ offset: 0, deaths: 1 }]));
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle });
    await passing(log.assign(0));
    log.lose(0);
    log.write(0);
    await passing(log.assign(0));
    await eventually(() => expect(handler.running).toEqual(['0:0']));
    const { offset, metadata = '' } = log.commits.at(-1)!;
    expect(decodeOffsetMetadata({ topic: TOPIC, partition: 0 }, offset, metadata).suspects).toEqual([
      { offset: 0, deaths: 2, announced: true },
    ]);
    handler.endAll();
  });
});

it('a new assignment does not wait for the back-off of commits that an outage failed', async () => {
  const log = new ScriptedLog();
  const handler = new ScriptedHandler(true);
  await consume(log, { handle: handler.handle });
  await passing(log.assign(0));
  log.write(0);
  log.commitError = new Error('coordinator is away');
  await elapse(30_000);
  log.commitError = null;
  log.lose(0);
  await passing(log.assign(0));
  await elapse(150);
  expect(log.committed(0)).toBe(1);
});

it('health is red while the preparation of new partitions fails, and says why', async () => {
  const log = new ScriptedLog();
  let isAway = true;
  const assigned = async (): Promise<void> => {
    if (isAway) throw new Error('the log cannot be read back');
  };
  const consumer = await consume(log, { handle: async () => undefined, assigned });
  const prepared = log.assign(0);
  await eventually(() => expect(consumer.health()).toEqual({ ok: false, detail: 'new partitions wait: the log cannot be read back' }));
  isAway = false;
  await passing(prepared);
  expect(consumer.health().ok).toBe(true);
});

it('headers count as bytes of a record', async () => {
  const log = new ScriptedLog();
  const consumer = await consume(log, { handle: () => time.wait(1_000) });
  await passing(log.assign(0));
  log.write(0, { headers: { large: 'x'.repeat(100_000) } });
  await eventually(() => expect(consumer.stats().bytes).toBeGreaterThan(100_000));
  await elapse(2_000);
});
