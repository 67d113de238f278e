/**
 * Issues that other parallel consumers had, each as a history that would show it here. Numbers are of confluentinc/parallel-consumer
 * unless they name another project. Real: the whole consumer engine. Scripted: the log behind the port and the handlers.
 */
import { describe, expect, it } from '@jest/globals';
import { encodeOffsetMetadata } from '../src/consumer/offset-metadata.js';
import type { ParallelConsumer } from '../src/consumer/parallel-consumer.js';
import type { GroupPolicy, ParallelConsumerOptions } from '../src/parallel-consumer-options.js';
import { consume as consumeScripted, time } from './scripted-consumer.js';
import { ScriptedHandler } from './scripted-handler.js';
import { ScriptedLog, TOPIC } from './scripted-log.js';

const encode = (...of: Parameters<typeof encodeOffsetMetadata>): string => encodeOffsetMetadata(...of).metadata;

const { eventually, passing, elapse } = time;

const consume = (
  log: ScriptedLog,
  policy: Partial<GroupPolicy> & Pick<GroupPolicy, 'handle'>,
  options: Partial<ParallelConsumerOptions> = {},
): Promise<ParallelConsumer> =>
  consumeScripted(log, policy, { maxBufferedRecords: 20_000, maxBufferedBytes: 1e8, drainTimeoutMs: 400, ...options });

/** What the next owner starts after this was committed by hand. */
const startedAfter = async (offset: number, metadata: string, written: number): Promise<string[]> => {
  const log = new ScriptedLog();
  for (let i = 0; i < written; i++) log.write(0);
  log.commits.push({ topic: TOPIC, partition: 0, offset, metadata });
  const handler = new ScriptedHandler(true);
  await consume(log, { handle: handler.handle });
  await passing(log.assign(0));
  await eventually(() => expect(log.committed(0)).toBe(written));
  return handler.started;
};

const names = (...offsets: number[]): string[] => offsets.map((offset) => `0:${offset}`);

describe('what went wrong elsewhere', () => {
  it('#826: the highest offset that was seen was committed although it had not succeeded', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle });
    await passing(log.assign(0));
    for (let i = 0; i < 3; i++) log.write(0);
    await eventually(() => expect(handler.running).toHaveLength(3));
    handler.end('0:1');
    await elapse(500);
    await passing(log.revoke(0));
    expect(log.committed(0)).toBe(0);
  });

  it('#47, #647: metadata grew past 4,096 characters and the partition stood still', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle }, { maxInFlight: 15_000 });
    await passing(log.assign(0));
    for (let i = 0; i < 15_000; i++) log.write(0);
    await eventually(() => expect(handler.running).toHaveLength(15_000));
    for (let offset = 1; offset < 15_000; offset += offset % 3 === 0 ? 2 : 1) handler.end(`0:${offset}`);
    await elapse(500);
    expect(Math.max(...log.commits.map(({ metadata = '' }) => metadata.length))).toBeLessThan(4_096);
    handler.endAll();
    await eventually(() => expect(log.committed(0)).toBe(15_000));
  });

  it('#832, #834, #836: memory ran out, since polling went on while a partition could not be committed', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    const consumer = await consume(log, { handle: handler.handle }, { maxBufferedRecords: 100, maxInFlight: 1_000 });
    await passing(log.assign(0));
    log.write(0);
    await eventually(() => expect(handler.running).toEqual(['0:0']));
    for (let i = 0; i < 1_000; i++) log.write(0);
    await elapse(1_000);
    expect(consumer.stats().records).toBe(100);
    expect(handler.running).toHaveLength(100);
    handler.endAll();
    await eventually(() => {
      handler.endAll();
      expect(log.committed(0)).toBe(1_001);
    });
  });

  it('#875: a record was skipped when the metadata could not be decoded', async () => {
    expect(await startedAfter(2, 'bm90IG91cnM=', 5)).toEqual(names(2, 3, 4));
  });

  it('#118, #207 of its fork: metadata of others, or of a later version, stopped the consumer', async () => {
    expect(await startedAfter(2, 'x'.repeat(4_000), 5)).toEqual(names(2, 3, 4));
    const later = Buffer.from(encode({ topic: TOPIC, partition: 0 }, 2, { isOpen: false, suspects: [], completed: [3, 5] }), 'base64');
    later[1] = 9;
    expect(await startedAfter(2, later.toString('base64'), 5)).toEqual(names(2, 3, 4));
  });

  it('#894: metadata was committed beside another offset than it had been encoded for', async () => {
    const written = encode({ topic: TOPIC, partition: 0 }, 2, { isOpen: false, suspects: [], completed: [4, 6] });
    expect(await startedAfter(3, written, 7)).toEqual(names(3, 4, 5, 6));
  });

  it('#480 of its fork: an absurd run length marked two billion offsets as done', async () => {
    const written = encode({ topic: TOPIC, partition: 0 }, 2, { isOpen: false, suspects: [], completed: [3, 2_000_000_000] });
    const garbled = Buffer.from(written, 'base64');
    garbled[garbled.length - 6]! ^= 0x40;
    expect(await startedAfter(2, garbled.toString('base64'), 5)).toEqual(names(2, 3, 4));
  });

  it('#329, #409: offsets that transactions and compaction leave out made negative runs or were waited for', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle });
    await passing(log.assign(0));
    for (const gap of [7, 0, 1, 900, 3]) log.write(0, { gap });
    await eventually(() => expect(handler.running).toEqual(names(7, 8, 10, 911, 915)));
    for (const name of names(8, 911)) handler.end(name);
    await passing(log.revoke(0));
    log.crash();
    const next = new ScriptedHandler(true);
    await consume(log, { handle: next.handle });
    await passing(log.assign(0));
    await eventually(() => expect(log.committed(0)).toBe(916));
    expect(next.started).toEqual(names(7, 10, 915));
  });

  it('#318: a record without a key broke the order by key', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler(true);
    await consume(log, { handle: handler.handle, orderKey: ({ key }) => key?.toString() ?? null });
    await passing(log.assign(0));
    for (const written of [{}, { key: 'a' }, {}]) log.write(0, written);
    await eventually(() => expect(log.committed(0)).toBe(3));
  });

  it('#857, #547, #606, #618: nothing was started any more after a rebalance', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle }, { maxBufferedRecords: 10, maxInFlight: 3 });
    await passing(log.assign(0, 1));
    for (let i = 0; i < 40; i++) log.write(i % 2);
    for (let round = 0; round < 5; round++) {
      await eventually(() => expect(handler.running.length).toBeGreaterThan(0));
      handler.end(handler.running[0]!);
      await passing(log.revoke(round % 2));
      log.lose(round % 2);
      await passing(log.assign(round % 2));
    }
    await eventually(() => {
      handler.endAll();
      expect([log.committed(0), log.committed(1)]).toEqual([20, 20]);
    });
  });

  it('#540: one full partition paused all of them', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle }, { maxBufferedRecords: 40, maxInFlight: 100 });
    await passing(log.assign(0, 1));
    for (let i = 0; i < 100; i++) log.write(0);
    log.write(1);
    await eventually(() => expect(handler.running).toContain('1:0'));
    expect([...log.paused]).toEqual([0]);
    await eventually(() => {
      handler.endAll();
      expect([log.committed(0), log.committed(1)]).toEqual([100, 1]);
    });
  });

  it('Spring Kafka #2565: a partition that was lost while it was paused stayed paused when it came back', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    await consume(log, { handle: handler.handle }, { maxBufferedRecords: 10, maxInFlight: 10 });
    await passing(log.assign(0));
    for (let i = 0; i < 30; i++) log.write(0);
    expect([...log.paused]).toEqual([0]);
    await passing(log.revoke(0));
    log.lose(0);
    expect(log.paused.size).toBe(0);
    await passing(log.assign(0));
    await eventually(() => {
      handler.endAll();
      expect(log.committed(0)).toBe(30);
    });
  });

  it('Knative eventing: an offset was committed although neither the call nor its dead letter had gone through', async () => {
    const log = new ScriptedLog();
    const refused = async (): Promise<never> => Promise.reject(new Error('refused'));
    await consume(log, { handle: refused, unprocessable: refused });
    await passing(log.assign(0));
    log.write(0);
    await elapse(60_000);
    expect(log.committed(0)).toBe(0);
  });

  it('SmallRye, Decaton: one record that never ends held up the records of other keys', async () => {
    const log = new ScriptedLog();
    const handler = new ScriptedHandler();
    const consumer = await consume(log, { handle: handler.handle, orderKey: ({ key }) => String(key) });
    await passing(log.assign(0));
    for (let i = 0; i < 500; i++) log.write(0, { key: `k${i % 50}` });
    await eventually(() => {
      for (const name of handler.running) if (name !== '0:0') handler.end(name);
      expect(handler.ended).toHaveLength(490);
    });
    expect(consumer.stats().oldestAgeMs).toBeGreaterThan(0);
    expect(log.committed(0)).toBe(0);
    handler.endAll();
  });
});
