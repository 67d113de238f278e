import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { describeOnKafka, eventually, RecordingMember } from '@cf/testing';
import { CompressionTypes, ConfigResourceTypes, Partitioners, type Producer } from 'kafkajs';
import type { KafkaLog } from '../src/kafka/kafka-log.js';
import type { TopicSpec } from '../src/log.js';
import { KafkaFixture, numbered, publishAll, topicSpec, upTo, valuesOf } from './kafka-fixture.js';

const MiB = 1024 * 1024;

describeOnKafka('the log beside other clients and settings of Kafka', () => {
  let kafka: KafkaFixture;
  let log: KafkaLog;
  const topic = async (overrides: Partial<TopicSpec> = {}): Promise<string> => {
    const spec = topicSpec(overrides);
    await log.ensureTopics([spec]);
    return spec.name;
  };

  beforeEach(async () => {
    kafka = new KafkaFixture();
    log = await kafka.log();
  });
  afterEach(() => kafka.close());

  describe('topics', () => {
    it('are created once by logs that start together, with the settings that the product relies on', async () => {
      const specs = [topicSpec({ retentionMs: 3_600_000, messageBytesMax: 100_000 }), topicSpec({ cleanup: 'compact' })];
      const logs = await Promise.all(upTo(4).map(() => kafka.log()));
      await Promise.all(logs.map((each) => each.ensureTopics(specs)));
      const admin = await kafka.admin();
      const resources = specs.map(({ name }) => ({ type: ConfigResourceTypes.TOPIC, name: kafka.topicPrefix + name }));
      const described = await admin.describeConfigs({ resources, includeSynonyms: false });
      const [events, state] = described.resources.map(({ configEntries }) =>
        Object.fromEntries(configEntries.map(({ configName, configValue }) => [configName, configValue])),
      );
      expect(events).toMatchObject({
        'cleanup.policy': 'delete',
        'retention.ms': '3600000',
        'max.message.bytes': String(100_000 + 4_096),
        'message.timestamp.type': 'LogAppendTime',
        'compression.type': 'uncompressed',
      });
      expect(state).toMatchObject({ 'cleanup.policy': 'compact', 'segment.ms': '600000', 'min.cleanable.dirty.ratio': '0.1' });
    });

    it('that do not exist are named', async () => {
      await expect(log.partitionCount('nowhere')).rejects.toMatchObject({ code: 'unknown_topic', retryable: false });
      await expect(log.endOffsets('nowhere')).rejects.toMatchObject({ code: 'unknown_topic', retryable: false });
      const publisher = log.createPublisher('spec');
      await expect(publisher.publish({ topic: 'nowhere', key: null, value: 'x' })).rejects.toMatchObject({
        code: 'unknown_topic',
        retryable: false,
      });
    });
  });

  describe('sizes', () => {
    it('takes records of 2 MiB, beside small ones, and neither holds the other up', async () => {
      const name = await topic({ partitions: 2 });
      const large = Buffer.alloc(2 * MiB, 'x');
      const member = await RecordingMember.join(log, { topics: [name] });
      const big = upTo(6).map((index) => ({ topic: name, partition: index % 2, key: null, value: large }));
      await publishAll(log, [...numbered(name, 5), ...big, ...numbered(name, 5, 1)]);
      await member.got(16);
      expect(member.delivered.filter(({ value }) => value!.equals(large))).toHaveLength(6);
    });

    it('splits a batch that the broker refuses until only the offender fails', async () => {
      const name = await topic();
      const publisher = log.createPublisher('spec');
      await publisher.publish({ topic: name, key: null, value: '0' });
      // The publisher learnt the size before it was lowered, so it is the broker that refuses.
      const admin = await kafka.admin();
      const configEntries = [{ name: 'max.message.bytes', value: '2000' }];
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: kafka.topicPrefix + name, configEntries }],
      });
      const values = upTo(40, 1).map((value) => (value === 23 ? `${value}${'.'.repeat(5_000)}` : `${value}${' '.repeat(100)}`));
      const outcomes = await Promise.allSettled(values.map((value) => publisher.publish({ topic: name, key: null, value })));
      expect(outcomes.flatMap(({ status }, index) => (status === 'rejected' ? [index + 1] : []))).toEqual([23]);
      expect(outcomes[22]).toMatchObject({ reason: { name: 'PublishError', code: 'too_large', retryable: false } });
      const member = await RecordingMember.join(log, { topics: [name] });
      await member.got(40);
      expect(valuesOf(member.delivered)).toEqual(upTo(41).filter((value) => value !== 23));
    });

    it('commits the offset where the broker takes no metadata of that length', async () => {
      const name = await topic();
      const member = await RecordingMember.join(log, { topics: [name], group: 'long-metadata' });
      await member.owns(1);
      await member.commit(name, 0, 0, 'x'.repeat(4_097));
      expect(await log.committedOffsets('long-metadata', name)).toEqual([0]);
    });
  });

  describe('records of other producers', () => {
    const withProducer = async (options: { transactionalId?: string }, work: (producer: Producer) => Promise<void>): Promise<void> => {
      const idempotent = options.transactionalId !== undefined;
      const producer = kafka.kafkajs().producer({ createPartitioner: Partitioners.DefaultPartitioner, idempotent, ...options });
      await producer.connect();
      await work(producer);
      await producer.disconnect();
    };

    it('are read when compressed', async () => {
      const name = await topic();
      await withProducer({}, async (producer) => {
        const messages = upTo(100).map((value) => ({ value: String(value), headers: { twice: ['first', 'last'] } }));
        await producer.send({ topic: kafka.topicPrefix + name, compression: CompressionTypes.GZIP, messages });
      });
      const member = await RecordingMember.join(log, { topics: [name] });
      await member.got(100);
      expect(valuesOf(member.delivered)).toEqual(upTo(100));
      expect(member.delivered[0]!.headers).toEqual({ twice: 'last' });
    });

    it('are read when their transaction was committed, and its markers count as read where nothing else follows', async () => {
      const name = await topic();
      const read: number[] = [];
      const reader = log.read({ topic: name, from: 'beginning', onRecords: (_, records) => read.push(...valuesOf(records)) });
      await withProducer({ transactionalId: kafka.topicPrefix }, async (producer) => {
        for (const [value, end] of [
          ['1', 'commit'],
          ['2', 'abort'],
          ['3', 'commit'],
          ['4', 'abort'],
        ] as const) {
          // prettier-ignore
          const transaction = await producer.transaction();
          await transaction.send({ topic: kafka.topicPrefix + name, messages: [{ value }] });
          await transaction[end]();
        }
      });
      // Four records, four markers; the broker writes a marker a little after it answered.
      await eventually(async () => expect(await log.endOffsets(name)).toEqual([8]));
      await reader.reached([8], 10_000);
      expect(read).toEqual([1, 3]);
      const member = await RecordingMember.join(log, { topics: [name] });
      await member.got(2);
      expect(valuesOf(member.delivered)).toEqual([1, 3]);
    });
  });

  describe('reading', () => {
    it('goes on at the earliest record when what a reader wants next was deleted', async () => {
      const name = await topic();
      await publishAll(log, numbered(name, 20));
      await kafka.deleteRecords(name, 0, 8);
      const read: number[] = [];
      const reader = log.read({ topic: name, from: 'beginning', onRecords: (_, records) => read.push(...valuesOf(records)) });
      await reader.reached([20], 10_000);
      expect(read).toEqual(upTo(12, 8));
      const back: number[] = [];
      for await (const chunk of log.readBack({ topic: name, partition: 0, untilOffset: 20, sinceMs: 0, recordsMax: 100 }))
        back.push(...valuesOf(chunk));
      expect(back).toEqual(upTo(12, 8));
    });

    it('gives the positions beyond what compaction took away', async () => {
      const name = await topic({ cleanup: 'compact' });
      const admin = await kafka.admin();
      const configEntries = Object.entries({
        'cleanup.policy': 'compact',
        'segment.ms': '100',
        'min.cleanable.dirty.ratio': '0',
        'max.compaction.lag.ms': '100',
      });
      const resource = {
        type: ConfigResourceTypes.TOPIC,
        name: kafka.topicPrefix + name,
        configEntries: configEntries.map(([key, value]) => ({ name: key, value })),
      };
      await admin.alterConfigs({ validateOnly: false, resources: [resource] });
      const publish = (value: string): Promise<void> => publishAll(log, [{ topic: name, key: 'k', value }]);
      for (const value of ['1', '2', '3', '4']) await publish(value);

      const reread = async (): Promise<{ values: number[]; positions: readonly number[]; ends: readonly number[] }> => {
        const values: number[] = [];
        const reader = log.read({ topic: name, from: 'beginning', onRecords: (_, records) => values.push(...valuesOf(records)) });
        const ends = await log.endOffsets(name);
        await reader.reached(ends, 10_000);
        const positions = reader.positions();
        await reader.close();
        return { values, positions, ends };
      };
      const { values, positions, ends } = await eventually(async () => {
        await publish('5');
        const seen = await reread();
        expect(seen.values.length).toBeLessThan(seen.ends[0]!);
        return seen;
      }, 60_000);
      expect(positions).toEqual(ends);
      expect(values.at(-1)).toBe(5);
    }, 90_000);
  });
});
