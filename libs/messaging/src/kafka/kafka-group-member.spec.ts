/** Real: the member. Scripted: what the broker answers, so that a leader of the release before can come in between. */
import { EventEmitter, once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { eventually } from '@cf/testing';
import type { GroupListener, TopicPartition } from '../log.js';
import type { Connection } from './connection.js';
import { decodeSubscription, encodeAssignment } from './kafkajs-internals.js';
import { KafkaGroupMember } from './kafka-group-member.js';

const TOPIC = 'work';
const NOW = Buffer.from('transfers wait');
const BEFORE = Buffer.alloc(0);

interface Generation {
  readonly partitions: readonly number[];
  readonly leader: Buffer;
  /** Which answer does not come: that to the join before its connection is cut, or the assignment, for the group gathers again before. */
  readonly lost?: 'join' | 'assignment';
}

interface Join {
  readonly memberId: string;
  readonly groupProtocols: readonly { readonly metadata: Buffer }[];
}

const gathers = (): Error => Object.assign(new Error('gathers'), { type: 'REBALANCE_IN_PROGRESS' });

class ScriptedGroup {
  /** The group gathers when one is added. */
  readonly generations: Generation[] = [];
  /** It gathers, and somebody does not come. */
  waitsForOthers = false;
  readonly left: string[] = [];
  /** Under which names. */
  readonly joinsAsked: string[] = [];
  /** In which generations they say that they owned what they name. */
  readonly claimed: number[] = [];
  overtakenBeats = 0;
  readonly #connections = new EventEmitter();
  #joined = 0;

  connection(): Connection {
    const broker = {
      isConnected: () => true,
      // Only joins are sent so.
      lookupRequest: () => (join: Join) => join,
      connectionPool: { send: (join: Join) => this.#join(join) },
      syncGroup: async () => {
        const { partitions, leader, lost } = this.generations[this.#joined - 1]!;
        if (lost === 'assignment') throw gathers();
        return { memberAssignment: encodeAssignment({ [TOPIC]: partitions }, leader) };
      },
      heartbeat: async ({ groupGenerationId }: { groupGenerationId: number }) => {
        if (groupGenerationId !== this.#joined) {
          this.overtakenBeats++;
          throw Object.assign(new Error('in another generation'), { type: 'ILLEGAL_GENERATION' });
        }
        if (this.waitsForOthers || this.#joined < this.generations.length) throw gathers();
      },
      leaveGroup: async ({ memberId }: { memberId: string }) => void this.left.push(memberId),
      offsetFetch: async () => ({ responses: [] }),
      listOffsets: async () => ({ responses: [] }),
    };
    return {
      settings: { sessionTimeoutMs: 10_000, heartbeatIntervalMs: 10, log: () => undefined },
      physical: (name: string) => name,
      logical: (name: string) => name,
      coordinator: async () => broker,
      broker: async () => broker,
      // Nobody leads, so nothing is fetched.
      leaders: async () => [-1, -1],
      works: () => undefined,
      failed: async () => undefined,
      refresh: async () => undefined,
      partitionWorks: () => undefined,
      close: async () => this.cut(),
    } as unknown as Connection;
  }

  cut(): void {
    this.#connections.emit('cut');
  }

  async #cutOff(): Promise<never> {
    await once(this.#connections, 'cut');
    throw new Error('connection closed');
  }

  async #join({ memberId, groupProtocols }: Join): Promise<object> {
    this.joinsAsked.push(memberId);
    if (memberId === '') throw Object.assign(new Error('has no name'), { type: 'MEMBER_ID_REQUIRED', memberId: 'me' });
    const { userData } = decodeSubscription(groupProtocols[0]!.metadata);
    this.claimed.push((JSON.parse(userData.toString()) as { generation: number }).generation);
    if (this.waitsForOthers) await this.#cutOff();
    // A follower that says nothing new is told of the present generation again.
    const begins = this.#joined < this.generations.length;
    if (begins) this.#joined++;
    const generationId = this.#joined;
    if (begins && this.generations[generationId - 1]!.lost === 'join') await this.#cutOff();
    return { generationId, memberId, leaderId: 'another', members: [] };
  }
}

const OPTIONS = {
  group: 'group',
  topics: [TOPIC],
  coPartitioned: false,
  drainTimeoutMs: 5_000,
  onOffsetOutOfRange: 'earliest',
} as const;

const silent: GroupListener = {
  assigned: async () => undefined,
  records: () => undefined,
  revoking: async () => undefined,
  lost: () => undefined,
  failed: () => undefined,
};

const numbers = (partitions: readonly TopicPartition[]): number[] => partitions.map(({ partition }) => partition).sort();

const telling = (told: string[], drain: () => Promise<void>): GroupListener => ({
  assigned: async (partitions) => void told.push(`assigned ${numbers(partitions).join()}`),
  records: () => undefined,
  revoking: (partitions) => {
    told.push(`revoking ${numbers(partitions).join()}`);
    return drain();
  },
  lost: (partitions) => void told.push(`lost ${numbers(partitions).join()}`),
  failed: ({ message }) => void told.push(message),
});

describe('a member of a Kafka group', () => {
  it('takes what was given back while it let go of it, also by a leader of the release before', async () => {
    const group = new ScriptedGroup();
    const told: string[] = [];
    let drained = (): void => undefined;
    const isDrained = new Promise<void>((resolve) => (drained = resolve));
    const listener = telling(told, () => isDrained);
    group.generations.push({ partitions: [0, 1], leader: NOW });
    const member = new KafkaGroupMember(group.connection(), group.connection(), { ...OPTIONS, listener });
    await eventually(() => expect(told).toEqual(['assigned 0,1']));
    group.generations.push({ partitions: [0], leader: NOW });
    await eventually(() => expect(told).toContain('revoking 1'));
    group.generations.push({ partitions: [0, 1], leader: BEFORE });
    await eventually(() => expect(told).toEqual(['assigned 0,1', 'revoking 1', 'assigned ', 'assigned ']));
    drained();
    await eventually(() => expect(told.slice(-2)).toEqual(['lost 1', 'assigned 1']));
    expect(numbers(member.assignment())).toEqual([0, 1]);
    await member.leave();
  });

  it('says that it leaves also when its join still waits for others', async () => {
    const group = new ScriptedGroup();
    group.generations.push({ partitions: [0, 1], leader: NOW });
    const member = new KafkaGroupMember(group.connection(), group.connection(), { ...OPTIONS, drainTimeoutMs: 100, listener: silent });
    await eventually(() => expect(numbers(member.assignment())).toEqual([0, 1]));
    group.waitsForOthers = true;
    await eventually(() => expect(group.joinsAsked).toEqual(['', 'me', 'me']));
    await member.leave();
    expect(group.left).toEqual(['me']);
  });

  it('tries a first join that lost its connection again under the name that it was given, and says under that name that it leaves', async () => {
    const group = new ScriptedGroup();
    group.waitsForOthers = true;
    const member = new KafkaGroupMember(group.connection(), group.connection(), { ...OPTIONS, listener: silent });
    await eventually(() => expect(group.joinsAsked).toEqual(['', 'me']));
    group.cut();
    await eventually(() => expect(group.joinsAsked).toEqual(['', 'me', 'me']));
    await member.leave();
    expect(group.left).toEqual(['me']);
  });

  it('claims no generation that it missed for what it owned before, and begins anew with what it is given after it', async () => {
    const group = new ScriptedGroup();
    const told: string[] = [];
    const partitions = [0, 1];
    group.generations.push({ partitions, leader: NOW });
    const listener = telling(told, async () => undefined);
    const member = new KafkaGroupMember(group.connection(), group.connection(), { ...OPTIONS, listener });
    await eventually(() => expect(told).toEqual(['assigned 0,1']));
    group.generations.push({ partitions, leader: BEFORE, lost: 'join' }, { partitions, leader: NOW, lost: 'assignment' });
    group.generations.push({ partitions, leader: NOW });
    await eventually(() => expect(group.claimed).toHaveLength(2));
    group.cut();
    await eventually(() => expect(told).toEqual(['assigned 0,1', 'lost 0,1', 'assigned 0,1']));
    expect(group.claimed).toEqual([-1, 1, 1, 1]);
    await member.leave();
  });

  it('goes on with what it owns when the group is ahead of the answer to its join, and that answer is lost', async () => {
    const group = new ScriptedGroup();
    const told: string[] = [];
    group.generations.push({ partitions: [0, 1], leader: NOW });
    const listener = telling(told, async () => undefined);
    const member = new KafkaGroupMember(group.connection(), group.connection(), { ...OPTIONS, listener });
    await eventually(() => expect(told).toEqual(['assigned 0,1']));
    group.generations.push({ partitions: [0, 1], leader: NOW, lost: 'join' });
    await eventually(() => expect(group.overtakenBeats).toBeGreaterThan(1));
    expect(member.mayStart()).toBe(true);
    group.cut();
    await eventually(() => expect(told).toEqual(['assigned 0,1', 'assigned ']));
    expect(group.claimed).toEqual([-1, 1, 1]);
    await member.leave();
  });
});
