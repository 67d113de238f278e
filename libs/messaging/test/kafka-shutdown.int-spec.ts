/** What running calls are worth when their process is asked to end (guarantees.md §1, §3): the parallel consumer on a real broker. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { describeOnKafka, eventually } from '@cf/testing';
import { ParallelConsumer } from '../src/consumer/parallel-consumer.js';
import type { KafkaLog } from '../src/kafka/kafka-log.js';
import { KafkaFixture, topicSpec } from './kafka-fixture.js';

const DRAIN_MS = 1_500;
/** Ends within the drain. */
const LONG_MS = 700;

type Lane = 'drain' | 'complete-running';

class Worker {
  readonly started: string[] = [];
  readonly done: string[] = [];
  readonly aborted: string[] = [];
  readonly partitions = new Set<number>();
  /** Calls that end only by being aborted. */
  hangs = true;
  readonly consumer: ParallelConsumer;

  constructor(log: KafkaLog, group: string, topic: string, onRevoke: Lane) {
    this.consumer = new ParallelConsumer(
      log,
      { group, topics: [topic], maxInFlight: 8, maxBufferedRecords: 100, maxBufferedBytes: 1e6, onRevoke, drainTimeoutMs: DRAIN_MS },
      {
        handle: async ({ value }, { signal }) => {
          const text = String(value);
          this.started.push(text);
          if (text === 'hangs' && this.hangs) {
            await new Promise((resolve) => signal.addEventListener('abort', resolve));
            this.aborted.push(text);
            throw Object.assign(new Error('aborted'), { retryable: true });
          }
          if (text === 'long') await delay(LONG_MS);
          this.done.push(text);
        },
        unprocessable: () => Promise.reject(new Error('not expected')),
        assigned: async (assigned) => assigned.forEach(({ partition }) => this.partitions.add(partition)),
        lost: (lost) => lost.forEach(({ partition }) => this.partitions.delete(partition)),
      },
    );
  }
}

describeOnKafka('a process on Kafka that is asked to end while calls run', () => {
  let kafka: KafkaFixture;
  let log: KafkaLog;
  const workers: Worker[] = [];

  beforeEach(async () => {
    kafka = new KafkaFixture();
    log = await kafka.log();
  });
  afterEach(async () => {
    await Promise.all(workers.splice(0).map(({ consumer }) => consumer.stop()));
    await kafka.close();
  });

  /** Two workers with a partition each; `long` and `hangs` run in the first, which is then stopped. */
  const stopWhileBothRun = async (lane: Lane): Promise<{ first: Worker; second: Worker; isCommitted: () => Promise<boolean> }> => {
    const spec = topicSpec({ partitions: 2 });
    await log.ensureTopics([spec]);
    const group = `group-${randomUUID()}`;
    const [first, second] = [0, 1].map(() => new Worker(log, group, spec.name, lane)) as [Worker, Worker];
    workers.push(first, second);
    second.hangs = false;
    for (const { consumer } of workers) await consumer.start();
    await eventually(() => expect([first.partitions.size, second.partitions.size]).toEqual([1, 1]));
    const [partition] = first.partitions;
    const publisher = log.createPublisher('spec');
    for (const value of ['long', 'hangs']) await publisher.publish({ topic: spec.name, partition: partition!, key: null, value });
    await publisher.close();
    await eventually(() => expect(first.started).toEqual(['long', 'hangs']));
    await first.consumer.stop();
    await eventually(() => expect(second.partitions.size).toBe(2));
    const isCommitted = async (): Promise<boolean> => (await log.committedOffsets(group, spec.name))[partition!] === 2;
    return { first, second, isCommitted };
  };

  it('finishes and commits in the trigger lane what ends in time; the rest is aborted, not completed, and repeated by another member', async () => {
    const { first, second, isCommitted } = await stopWhileBothRun('drain');
    expect([first.done, first.aborted]).toEqual([['long'], ['hangs']]);
    await eventually(async () => expect(await isCommitted()).toBe(true));
    expect(second.started).toEqual(['hangs']);
    expect(second.done).toEqual(['hangs']);
  });

  it('commits in the step lane what runs as done and finishes it; nothing of it is called twice', async () => {
    const { first, second, isCommitted } = await stopWhileBothRun('complete-running');
    expect(await isCommitted()).toBe(true);
    expect([first.done, first.aborted]).toEqual([['long'], ['hangs']]);
    expect(second.started).toEqual([]);
  });
});
