import { randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { describeOnKafka, eventually, RecordingMember } from '@cf/testing';
import { startKafkaBroker, type KafkaBroker } from '../../../tools/kafka-broker.js';
import { ParallelConsumer } from '../src/consumer/parallel-consumer.js';
import { KafkaFixture, numbered, publishAll, topicSpec, upTo, valuesOf } from './kafka-fixture.js';

const START_MS = 180_000;

describeOnKafka('the log on a Kafka broker of its own', () => {
  let broker: KafkaBroker;
  let kafka: KafkaFixture;

  beforeAll(async () => {
    broker = await startKafkaBroker({ secure: true });
  }, START_MS);
  afterAll(() => broker.stop(), START_MS);
  afterEach(() => kafka.close());

  describe('that goes away and comes back', () => {
    it.each([
      ['restarts', async () => broker.restart()],
      [
        'is killed',
        async () => {
          await broker.kill();
          await broker.restart();
        },
      ],
    ])(
      'appends in order, keeps memberships and reads on when it %s',
      async (_, disturb) => {
        kafka = new KafkaFixture(broker.address);
        const log = await kafka.log({ sessionTimeoutMs: 30_000, deliveryTimeoutMs: 60_000 });
        const spec = topicSpec({ partitions: 2 });
        await log.ensureTopics([spec]);
        const member = await RecordingMember.join(log, { topics: [spec.name] });
        const read: number[] = [];
        const reader = log.read({ topic: spec.name, from: 'beginning', onRecords: (_, records) => read.push(...valuesOf(records)) });
        await member.owns(2);
        const publisher = log.createPublisher('faults');
        const published: Promise<void>[] = [];
        let next = 0;
        const publishing = setInterval(() => {
          for (const record of numbered(spec.name, 10, next % 2, next))
            published.push(publisher.publish({ ...record, partition: Number(record.value) % 2 }));
          next += 10;
        }, 20);
        await member.got(100);
        await disturb();
        const before = next;
        await eventually(() => expect(next).toBeGreaterThan(before + 100));
        clearInterval(publishing);
        await Promise.all(published);
        await publisher.close();

        await eventually(() => expect(new Set(valuesOf(member.delivered)).size).toBe(next), 30_000);
        for (const partition of [0, 1]) {
          // An append whose answer was lost is sent again, so a value may come twice, but none is missing and none overtakes.
          const firsts = [...new Set(member.values(partition).map(Number))];
          expect(firsts).toEqual(upTo(next).filter((value) => value % 2 === partition));
        }
        await eventually(() => expect(new Set(read).size).toBe(next));
        expect(member.assignments).toHaveLength(2);
        expect(member.failures).toEqual([]);
        expect(member.member.healthy()).toBe(true);
        await eventually(() => expect(log.status().ok).toBe(true));
        await reader.close();
      },
      START_MS,
    );

    it(
      'says which broker is away for as long as it is, rejects as retryable what waited too long, and asks to come back when too much waits',
      async () => {
        kafka = new KafkaFixture(broker.address);
        const log = await kafka.log({ deliveryTimeoutMs: 1_500, publisherQueueBytesMax: 10_000 });
        const spec = topicSpec();
        await log.ensureTopics([spec]);
        const publisher = log.createPublisher('faults');
        await publisher.publish({ topic: spec.name, key: null, value: 'works' });
        expect(log.status().ok).toBe(true);
        await broker.kill();
        try {
          const waiting = publisher.publish({ topic: spec.name, key: null, value: 'x'.repeat(9_000) });
          const refused = publisher.publish({ topic: spec.name, key: null, value: 'x'.repeat(9_000) });
          await expect(refused).rejects.toMatchObject({ name: 'PublishError', code: 'queue_full', retryable: true });
          await expect(waiting).rejects.toMatchObject({ name: 'PublishError', code: 'not_acknowledged', retryable: true });
          await eventually(() => expect(log.status()).toMatchObject({ ok: false, detail: expect.stringContaining(broker.address) }));
          await expect(log.endOffsets(spec.name)).rejects.toMatchObject({ retryable: true });
        } finally {
          await broker.restart();
        }
        // Nobody publishes and nobody asks: health comes back by itself.
        await eventually(() => expect(log.status()).toMatchObject({ ok: true }), 30_000);
        await publisher.publish({ topic: spec.name, key: null, value: 'works again' });
        await log.endOffsets(spec.name);
      },
      START_MS,
    );

    it(
      'lets go of its partitions when it was away for longer than a session, is red with the reason meanwhile, and takes them again',
      async () => {
        kafka = new KafkaFixture(broker.address);
        const log = await kafka.log({ sessionTimeoutMs: 1_500 });
        const spec = topicSpec();
        await log.ensureTopics([spec]);
        await publishAll(log, numbered(spec.name, 5));
        const member = await RecordingMember.join(log, { topics: [spec.name], group: randomUUID() });
        await member.got(5);
        await member.commit(spec.name, 0, 3);
        const handled: number[] = [];
        const rejoins: string[] = [];
        const consumer = new ParallelConsumer(
          log,
          {
            group: randomUUID(),
            topics: [spec.name],
            maxInFlight: 8,
            maxBufferedRecords: 100,
            maxBufferedBytes: 1e6,
            onRevoke: 'drain',
            drainTimeoutMs: 1_000,
          },
          { handle: async (record) => void handled.push(...valuesOf([record])), unprocessable: async () => undefined },
          { rejoining: (_, { message }) => rejoins.push(message) },
        );
        await consumer.start();
        await eventually(() => expect(handled).toHaveLength(5));
        await broker.kill();
        await eventually(() => expect(member.lostPartitions).toEqual([{ topic: spec.name, partition: 0 }]));
        expect(member.failures).toHaveLength(1);
        expect(member.member.healthy()).toBe(false);
        await eventually(() => expect(rejoins).toHaveLength(1));
        expect(consumer.health()).toEqual({ ok: false, detail: rejoins[0] });
        await broker.restart();
        await member.owns(1);
        await eventually(() => expect(consumer.health()).toEqual({ ok: true, detail: '1 partitions' }), 30_000);
        await publishAll(log, numbered(spec.name, 1, 0, 5));
        await eventually(() => expect(handled).toContain(5));
        await consumer.stop();
        await member.got(8);
        expect(valuesOf(member.delivered)).toEqual([0, 1, 2, 3, 4, 3, 4, 5]);
      },
      START_MS,
    );
  });

  describe('that is not there at the start', () => {
    const portThatRefuses = async (): Promise<number> => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as { port: number };
      await new Promise((resolve) => server.close(resolve));
      return port;
    };

    it(
      'waits for it',
      async () => {
        kafka = new KafkaFixture(broker.address);
        await broker.kill();
        const started = kafka.log();
        await broker.restart();
        expect((await started).status().ok).toBe(true);
      },
      START_MS,
    );

    it('gives up after its time, naming the broker', async () => {
      kafka = new KafkaFixture(`127.0.0.1:${await portThatRefuses()}`);
      const log = kafka.unstarted({ startTimeoutMs: 700 });
      await expect(log.start()).rejects.toMatchObject({
        code: 'log_unavailable',
        message: expect.stringContaining('127.0.0.1:'),
      });
      expect(log.status().ok).toBe(false);
    });
  });

  describe('with TLS and SASL', () => {
    it.each(['plain', 'scram-sha-256'] as const)('publishes and consumes, authenticated by %s', async (mechanism) => {
      const { address, ca, username, password } = broker.secure!;
      kafka = new KafkaFixture(address);
      const log = await kafka.log({ ssl: { ca }, sasl: { mechanism, username, password } });
      const spec = topicSpec();
      await log.ensureTopics([spec]);
      const member = await RecordingMember.join(log, { topics: [spec.name] });
      await publishAll(log, numbered(spec.name, 3));
      await member.got(3);
    });

    it('does not start with a wrong password or an unknown authority', async () => {
      const { address, ca, username, password } = broker.secure!;
      kafka = new KafkaFixture(address);
      const sasl = { mechanism: 'scram-sha-256', username, password: 'wrong' } as const;
      await expect(kafka.unstarted({ ssl: { ca }, sasl, startTimeoutMs: 500 }).start()).rejects.toThrow(/authentication/i);
      await expect(kafka.unstarted({ ssl: true, sasl: { ...sasl, password }, startTimeoutMs: 500 }).start()).rejects.toThrow(
        /certificate/i,
      );
    });
  });
});
