import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { describeOnKafka, eventually } from '@cf/testing';
import { ParallelConsumer } from '../src/consumer/parallel-consumer.js';
import type { KafkaLog } from '../src/kafka/kafka-log.js';
import { KafkaFixture, topicSpec, upTo } from './kafka-fixture.js';

const RECORDS = 3_000;
const KEYS = 50;

describeOnKafka('the parallel consumer on Kafka', () => {
  let kafka: KafkaFixture;
  let log: KafkaLog;
  const consumers: ParallelConsumer[] = [];

  beforeEach(async () => {
    kafka = new KafkaFixture();
    log = await kafka.log();
  });
  afterEach(async () => {
    await Promise.all(consumers.splice(0).map((consumer) => consumer.stop()));
    await kafka.close();
  });

  it('handles each record once and in the order of its key while workers come and go', async () => {
    const spec = topicSpec({ partitions: 6 });
    await log.ensureTopics([spec]);
    const group = `group-${randomUUID()}`;
    const handled: number[] = [];
    const lastOfKey = new Map<string, number>();
    const outOfOrder: number[] = [];
    const start = async (): Promise<ParallelConsumer> => {
      const options = { group, topics: [spec.name], maxInFlight: 64, maxBufferedRecords: 2_000, maxBufferedBytes: 16 * 1024 * 1024 };
      const consumer = new ParallelConsumer(log, { ...options, onRevoke: 'drain', drainTimeoutMs: 3_000 }, {
        orderKey: ({ key }) => String(key),
        handle: async ({ key, value }) => {
          const seq = Number(value);
          if (seq <= (lastOfKey.get(String(key)) ?? -1)) outOfOrder.push(seq);
          lastOfKey.set(String(key), seq);
          await delay(Math.random() * 10);
          handled.push(seq);
        },
        unprocessable: async () => undefined,
      }); // prettier-ignore
      consumers.push(consumer);
      await consumer.start();
      return consumer;
    };

    const publisher = log.createPublisher('spec');
    const publish = (from: number, count: number): Promise<unknown> =>
      Promise.all(upTo(count, from).map((seq) => publisher.publish({ topic: spec.name, key: `key-${seq % KEYS}`, value: String(seq) })));
    const first = await start();
    await publish(0, 1_000);
    const second = await start();
    await publish(1_000, 1_000);
    await eventually(() => expect(second.stats().assignedPartitions).toBe(3));
    await start();
    await publish(2_000, 1_000);
    await first.stop();
    await eventually(() => expect(handled.length).toBeGreaterThanOrEqual(RECORDS), 30_000);
    expect(handled.sort((a, b) => a - b)).toEqual(upTo(RECORDS));
    expect(outOfOrder).toEqual([]);
    const ends = await log.endOffsets(spec.name);
    await eventually(async () => expect(await log.committedOffsets(group, spec.name)).toEqual(ends));
  });
});
