/**
 * What the adapter relies on from inside kafkajs, each held to a real broker, so that an upgrade which changes one of them fails here and
 * not in production. Beside this: the encoding of Produce and of batches (produce-request.spec, record-batches.spec), subscriptions
 * (kafkajs-internals.spec), sockets that end, hang or answer in half (mend-kafkajs.spec, kafka-half-answers), TLS and SASL
 * (kafka-broker-faults).
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { describeOnKafka, eventually, testKafka } from '@cf/testing';
import { ConnectionHealth } from '../src/kafka/connection-health.js';
import { Connection } from '../src/kafka/connection.js';
import { isExpulsion, isRebalance, typeOf } from '../src/kafka/group-coordinator.js';
import { withDefaults } from '../src/kafka/kafka-log-options.js';
import {
  createErrorFromCode,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  joinGroup,
  request,
  type Broker,
  type JoinedGroup,
} from '../src/kafka/kafkajs-internals.js';
import { isUnknownTopic, leadersOnceCreated } from '../src/kafka/topic-facts.js';

const REBALANCE_MS = 6_000;
const FETCH_WAIT_MS = 1_500;

interface Fetched {
  readonly responses: readonly { readonly partitions: readonly { readonly errorCode: number }[] }[];
}

describeOnKafka('kafkajs, as the adapter uses it', () => {
  let connection: Connection;
  let other: Connection;
  let topic: string;
  let broker: Broker;

  const connect = (brokers = testKafka()!.brokers): Connection => {
    const settings = withDefaults({ brokers: [brokers], clientId: 'contract', requestTimeoutMs: 10_000, log: () => undefined });
    return new Connection(settings, 'contract', new ConnectionHealth(settings));
  };
  const createTopic = async (): Promise<void> => {
    await connection.cluster.addMultipleTargetTopics([]);
    const controller = await connection.cluster.findControllerBroker();
    await controller.createTopics({ topics: [{ topic, numPartitions: 2, configEntries: [] }], timeout: 10_000 });
  };
  const rejection = (work: Promise<unknown>): Promise<Error> =>
    work.then(
      () => Promise.reject(new Error('not rejected')),
      (error: Error) => error,
    );

  const commit = async (group: string, memberId: string, groupGenerationId: number, offset: string, metadata = ''): Promise<unknown> => {
    const topics = [{ topic, partitions: [{ partition: 0, offset, metadata }] }];
    return (await connection.coordinator(group)).offsetCommit({ groupId: group, groupGenerationId, memberId, topics });
  };

  beforeAll(async () => {
    connection = connect();
    other = connect();
    topic = `contract-${randomUUID()}`;
    await createTopic();
    const [leader] = await leadersOnceCreated(connection, topic);
    broker = await connection.broker(leader!);
    // The first group of a new broker waits for the topic that groups are kept in.
    await eventually(() => commit(`group-${randomUUID()}`, '', -1, '1'), 30_000);
  });
  afterAll(async () => {
    await Promise.all([connection.close(), other.close()]);
  });

  describe('errors', () => {
    it.each([
      [1, 'OFFSET_OUT_OF_RANGE', false],
      [3, 'UNKNOWN_TOPIC_OR_PARTITION', true],
      [6, 'NOT_LEADER_FOR_PARTITION', true],
      [10, 'MESSAGE_TOO_LARGE', false],
      [12, 'OFFSET_METADATA_TOO_LARGE', false],
      [15, 'GROUP_COORDINATOR_NOT_AVAILABLE', true],
      [16, 'NOT_COORDINATOR_FOR_GROUP', true],
      [18, 'RECORD_LIST_TOO_LARGE', false],
      [19, 'NOT_ENOUGH_REPLICAS', true],
      [22, 'ILLEGAL_GENERATION', false],
      [25, 'UNKNOWN_MEMBER_ID', false],
      [27, 'REBALANCE_IN_PROGRESS', false],
      [29, 'TOPIC_AUTHORIZATION_FAILED', false],
      [32, 'INVALID_TIMESTAMP', false],
      [36, 'TOPIC_ALREADY_EXISTS', false],
      [82, 'FENCED_INSTANCE_ID', false],
      [87, 'INVALID_RECORD', false],
    ])('%i is %s, retriable: %s', (code, type, retriable) => {
      expect(createErrorFromCode(code)).toMatchObject({ type, retriable });
    });

    it('of a connection have no type, which is how they are told from what a broker answers', async () => {
      const nowhere = connect('127.0.0.1:1');
      const refused = await rejection(nowhere.cluster.refreshMetadata());
      expect(typeOf(refused)).toBeUndefined();
      await nowhere.close();
      const closing = connect();
      const [leader] = await closing.leaders(topic);
      const waiting = rejection((await closing.broker(leader!)).offsetFetch({ groupId: 'none', topics: [] }));
      await closing.close();
      expect(typeOf(await waiting)).toBeUndefined();
    });
  });

  describe('the cluster', () => {
    it('says that a topic is unknown, and goes on answering for the others', async () => {
      expect(isUnknownTopic(await rejection(connection.leaders(`${topic}-not`)))).toBe(true);
      await connection.cluster.refreshMetadata();
      expect(await connection.leaders(topic)).toHaveLength(2);
    });

    it('says that a topic exists already in a list of errors', async () => {
      expect(await rejection(createTopic())).toMatchObject({ errors: [{ type: 'TOPIC_ALREADY_EXISTS' }] });
    });

    it('describes the settings of a topic', async () => {
      const controller = await connection.cluster.findControllerBroker();
      const resources = [{ type: 2, name: topic, configNames: ['max.message.bytes'] }];
      const described = await controller.describeConfigs({ resources });
      expect(described.resources[0]!.configEntries[0]).toMatchObject({ configName: 'max.message.bytes', configValue: expect.any(String) });
    });

    it('connects anew to a broker whose connections ended', async () => {
      await broker.disconnect();
      expect(broker.isConnected()).toBe(false);
      const [leader] = await connection.leaders(topic);
      expect((await connection.broker(leader!)).isConnected()).toBe(true);
    });
  });

  describe('requests', () => {
    const fetch = (maxWaitTime: number): Promise<Fetched> =>
      request<Fetched>(broker, 'Fetch', {
        maxWaitTime,
        minBytes: 1,
        maxBytes: 1_000,
        isolationLevel: 1,
        topics: [{ topic, partitions: [{ partition: 0, fetchOffset: '0', maxBytes: 1_000 }] }],
      });

    it('are not held up by a fetch that waits: it has a connection of its own', async () => {
      const startedMs = performance.now();
      let isFetched = false;
      const fetching = fetch(FETCH_WAIT_MS).then(() => (isFetched = true));
      await broker.listOffsets({ isolationLevel: 1, topics: [{ topic, partitions: [{ partition: 0, timestamp: -1 }] }] });
      expect(isFetched).toBe(false);
      await fetching;
      expect(performance.now() - startedMs).toBeGreaterThan(FETCH_WAIT_MS - 100);
    });

    it('list the earliest, the latest, and as -1 what no record is as new as', async () => {
      const offsetAt = async (timestamp: number): Promise<string> => {
        const topics = [{ topic, partitions: [{ partition: 0, timestamp }] }];
        return (await broker.listOffsets({ isolationLevel: 1, topics })).responses[0]!.partitions[0]!.offset;
      };
      expect(await Promise.all([offsetAt(-2), offsetAt(-1), offsetAt(Date.now())])).toEqual(['0', '0', '-1']);
    });
  });

  describe('a group', () => {
    const groupId = (): string => `group-${randomUUID()}`;
    const join = async (
      through: Connection,
      group: string,
      memberId = '',
      says = 'who I am',
      named: (memberId: string) => void = () => undefined,
    ): Promise<JoinedGroup> => {
      const joining = {
        groupId: group,
        sessionTimeout: REBALANCE_MS,
        rebalanceTimeout: REBALANCE_MS,
        memberId,
        groupProtocols: [{ name: 'sticky', metadata: encodeSubscription([topic], Buffer.from(says)) }],
      };
      return joinGroup(await through.coordinator(group), joining, named);
    };
    const sync = async (through: Connection, group: string, { generationId, memberId }: JoinedGroup): Promise<Buffer> => {
      const groupAssignment = [{ memberId, memberAssignment: encodeAssignment({ [topic]: [1, 0] }, Buffer.from('by whom')) }];
      return (await (await through.coordinator(group)).syncGroup({ groupId: group, generationId, memberId, groupAssignment }))
        .memberAssignment;
    };
    const beat = async (group: string, memberId: string, groupGenerationId: number): Promise<unknown> =>
      (await connection.coordinator(group)).heartbeat({ groupId: group, groupGenerationId, memberId });
    const isGathering = async (group: string, { memberId, generationId }: JoinedGroup): Promise<boolean> =>
      beat(group, memberId, generationId).then(() => false, isRebalance);
    /** Two members of one generation, the first of them leads. */
    const pair = async (group: string): Promise<readonly [JoinedGroup, JoinedGroup]> => {
      const first = await join(connection, group);
      await sync(connection, group, first);
      const joining = join(other, group);
      await eventually(async () => expect(await isGathering(group, first)).toBe(true));
      const members = [await join(connection, group, first.memberId), await joining] as const;
      await sync(connection, group, members[0]);
      await sync(other, group, members[1]);
      return members;
    };

    it('names a member that joins without a name, and hands metadata and assignment through as they are', async () => {
      const group = groupId();
      const joined = await join(connection, group);
      expect(joined).toMatchObject({ leaderId: joined.memberId, members: [{ memberId: joined.memberId }] });
      expect(joined.memberId).not.toBe('');
      expect(decodeSubscription(joined.members[0]!.memberMetadata)).toMatchObject({ topics: [topic], userData: Buffer.from('who I am') });
      expect(decodeAssignment(await sync(connection, group, joined))).toMatchObject({
        assignment: { [topic]: [1, 0] },
        userData: Buffer.from('by whom'),
      });
    });

    it('names a new member before it has gathered, and takes another join under that name for that of the same member', async () => {
      const group = groupId();
      const first = await join(connection, group);
      await sync(connection, group, first);
      const cut = connect();
      const names: string[] = [];
      const lost = rejection(join(cut, group, '', 'who I am', (name) => names.push(name)));
      await eventually(async () => expect(await isGathering(group, first)).toBe(true));
      await cut.close();
      await lost;
      const joining = join(other, group, names[0]);
      const { members } = await join(connection, group, first.memberId);
      expect(members.map(({ memberId }) => memberId).sort()).toEqual([first.memberId, ...names].sort());
      expect((await joining).memberId).toBe(names[0]);
    });

    it('tells at a heartbeat that it gathers, takes commits until the join, and refuses those of a generation that is over', async () => {
      const group = groupId();
      const first = await join(connection, group);
      await sync(connection, group, first);
      const secondJoin = join(other, group);
      let told: unknown = null;
      while (told === null) {
        told = await beat(group, first.memberId, first.generationId).then(
          () => null,
          (error: unknown) => error,
        );
      }
      expect(isRebalance(told)).toBe(true);
      await commit(group, first.memberId, first.generationId, '7', 'while it gathers');
      const again = await join(connection, group, first.memberId);
      expect(again).toMatchObject({ memberId: first.memberId, generationId: first.generationId + 1 });
      expect((await secondJoin).generationId).toBe(again.generationId);
      const late = await rejection(commit(group, first.memberId, first.generationId, '8'));
      expect([typeOf(late), isExpulsion(late)]).toEqual(['ILLEGAL_GENERATION', true]);
      const { responses } = await (
        await connection.coordinator(group)
      ).offsetFetch({ groupId: group, topics: [{ topic, partitions: [{ partition: 0 }, { partition: 1 }] }] });
      const partitions = [...responses[0]!.partitions].sort((one, two) => one.partition - two.partition);
      expect(partitions).toMatchObject([
        { partition: 0, offset: '7', metadata: 'while it gathers' },
        { partition: 1, offset: '-1' },
      ]);
    });

    it('takes heartbeats and commits of a member over one connection while its join waits on another', async () => {
      const group = groupId();
      const [first, second] = await pair(group);
      const waiting = connect();
      let isOver = false;
      const joining = join(waiting, group, first.memberId, 'something new').finally(() => (isOver = true));
      await eventually(async () => expect(await isGathering(group, first)).toBe(true));
      await commit(group, first.memberId, first.generationId, '7');
      expect(isOver).toBe(false);
      await join(other, group, second.memberId);
      expect((await joining).generationId).toBe(first.generationId + 1);
      await waiting.close();
    });

    it('gathers when a member that does not lead joins again and says something new of itself', async () => {
      const group = groupId();
      const [first, second] = await pair(group);
      const joining = join(other, group, second.memberId, 'something new');
      await eventually(async () => expect(await isGathering(group, first)).toBe(true));
      await join(connection, group, first.memberId);
      expect((await joining).generationId).toBe(second.generationId + 1);
    });

    it('does not know who was never a member, or has left', async () => {
      const group = groupId();
      const joined = await join(connection, group);
      await sync(connection, group, joined);
      const strangers = [commit(group, 'nobody', joined.generationId, '1'), beat(group, 'nobody', joined.generationId)];
      for (const refused of await Promise.all(strangers.map(rejection)))
        expect([typeOf(refused), isExpulsion(refused)]).toEqual(['UNKNOWN_MEMBER_ID', true]);
      await (await connection.coordinator(group)).leaveGroup({ groupId: group, memberId: joined.memberId });
      expect(isExpulsion(await rejection(commit(group, joined.memberId, joined.generationId, '1')))).toBe(true);
    });

    it('takes a commit from outside while it has no members', async () => {
      const group = groupId();
      await commit(group, '', -1, '3');
      await join(connection, group);
      expect(isExpulsion(await rejection(commit(group, '', -1, '4')))).toBe(true);
    });

    it('says that metadata is too long', async () => {
      expect(typeOf(await rejection(commit(groupId(), '', -1, '3', 'x'.repeat(4_097))))).toBe('OFFSET_METADATA_TOO_LARGE');
    });
  });
});
