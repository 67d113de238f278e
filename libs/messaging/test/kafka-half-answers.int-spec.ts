import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { describeOnKafka, eventually, RecordingMember } from '@cf/testing';
import { startKafkaBroker, type KafkaBroker } from '../../../tools/kafka-broker.js';
import { CuttableLink } from './cuttable-link.js';
import { KafkaFixture, topicSpec, upTo, valuesOf } from './kafka-fixture.js';
import type { KafkaLog } from '../src/kafka/kafka-log.js';
import type { TopicSpec } from '../src/log.js';

const START_MS = 180_000;
const RECORDS = 200;
const SESSION_MS = 3_000;
/** Only answers with many records are so long. */
const LONG_ANSWER_BYTES = 16 * 1024;

describeOnKafka('a connection to Kafka that ends in the middle of something', () => {
  let link: CuttableLink;
  let broker: KafkaBroker;
  let kafka: KafkaFixture;

  beforeAll(async () => {
    link = await CuttableLink.toNowhere();
    broker = await startKafkaBroker({ properties: { 'advertised.listeners': `PLAIN://${link.address}` } });
    link.leadsTo(`kafka://${broker.address}`);
  }, START_MS);
  afterAll(async () => {
    await link?.end();
    await broker?.stop();
  }, START_MS);
  afterEach(() => kafka.close());

  const open = async (): Promise<{ log: KafkaLog; spec: TopicSpec; member: RecordingMember }> => {
    kafka = new KafkaFixture(link.address);
    const log = await kafka.log({ requestTimeoutMs: 1_000 });
    const spec = topicSpec();
    await log.ensureTopics([spec]);
    const member = await RecordingMember.join(log, { topics: [spec.name] });
    await member.owns(1);
    return { log, spec, member };
  };
  /** Two members join while the group waits for a third, which is dead. */
  const whileAJoinWaits = async (
    victimSessionMs: number,
    { sessionTimeoutMs, drainTimeoutMs }: { readonly sessionTimeoutMs: number; readonly drainTimeoutMs: number },
  ): Promise<{ log: KafkaLog; first: RecordingMember; second: RecordingMember }> => {
    kafka = new KafkaFixture(link.address);
    const log = await kafka.log({ requestTimeoutMs: 1_000, sessionTimeoutMs });
    const { name } = topicSpec();
    await log.ensureTopics([topicSpec({ name, partitions: 2 })]);
    const options = { topics: [name], group: `group-${name}`, drainTimeoutMs };
    const victim = kafka.member({ group: options.group, topic: name, sessionTimeoutMs: victimSessionMs });
    await eventually(() => expect(victim.reports).toContainEqual({ is: 'assigned', partitions: [0, 1] }), 30_000);
    const first = await RecordingMember.join(log, options);
    await first.owns(1);
    await victim.kill();
    const second = await RecordingMember.join(log, options);
    await delay(1_000);
    return { log, first, second };
  };
  const publish = async (log: KafkaLog, { name }: TopicSpec, from: number): Promise<void> => {
    const publisher = log.createPublisher('spec');
    const values = upTo(RECORDS, from).map((value) => String(value).padStart(1_000, '0'));
    await Promise.all(values.map((value) => publisher.publish({ topic: name, partition: 0, key: null, value })));
    await publisher.close();
  };

  it('half an answer is not taken for the beginning of the next one', async () => {
    const { log, spec, member } = await open();
    link.halvesAnswersOf = LONG_ANSWER_BYTES;
    await publish(log, spec, 0);
    await eventually(() => expect(link.halvesAnswersOf).toBeNull());
    await eventually(() => expect(valuesOf(member.delivered)).toEqual(upTo(RECORDS)), 30_000);
    await publish(log, spec, RECORDS);
    await eventually(() => expect(valuesOf(member.delivered)).toEqual(upTo(2 * RECORDS)), 30_000);
    await eventually(() => expect(log.status().ok).toBe(true));
    expect(member.failures).toEqual([]);
  });

  it('a join that loses its connection is tried again, and what the member owns goes on', async () => {
    const { log, first, second } = await whileAJoinWaits(10_000, { sessionTimeoutMs: 6_000, drainTimeoutMs: 2_000 });
    link.cut();
    await Promise.all([first.owns(1), second.owns(1)]);
    expect([first.failures, first.lostPartitions]).toEqual([[], []]);
    await eventually(() => expect(log.status().ok).toBe(true));
  });

  it('a join on a connection that only seems open is given up once the group has gone on without it', async () => {
    const { first, second } = await whileAJoinWaits(SESSION_MS, { sessionTimeoutMs: SESSION_MS, drainTimeoutMs: 20 * SESSION_MS });
    link.freeze();
    // Its request may take as long as the drain of others, twenty sessions.
    await eventually(() => expect(first.failures).toHaveLength(1), 5 * SESSION_MS);
    await second.member.leave();
    await first.owns(2);
  });

  it('connections that stay open and fall silent are given up for new ones', async () => {
    const { log, spec, member } = await open();
    await publish(log, spec, 0);
    await eventually(() => expect(member.delivered).toHaveLength(RECORDS));
    const publisher = log.createPublisher('spec');
    await publisher.publish({ topic: spec.name, partition: 0, key: null, value: String(RECORDS) });
    link.freeze();
    await publisher.publish({ topic: spec.name, partition: 0, key: null, value: String(RECORDS + 1) });
    await publisher.close();
    await eventually(() => expect([...new Set(valuesOf(member.delivered))]).toEqual(upTo(RECORDS + 2)), 30_000);
    await member.commit(spec.name, 0, RECORDS + 2);
    await eventually(() => expect(log.status().ok).toBe(true), 30_000);
  });
});
