import type { OffsetCommit, TopicPartition } from '../log.js';
import { assign, type Subscriber, withoutTransfers } from './assigner.js';
import { fetchCommitted, type CommittedOffset } from './committed-offsets.js';
import type { Connection } from './connection.js';
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  joinGroup,
  type Broker,
  type GroupMemberInfo,
  type ProtocolError,
} from './kafkajs-internals.js';

export interface GroupTimeouts {
  readonly sessionTimeoutMs: number;
  /** How long the coordinator waits for a member that is alive to come to a rebalance. */
  readonly rebalanceTimeoutMs: number;
}

export interface Joined {
  readonly partitions: readonly TopicPartition[];
  /** What moves is given to nobody before its owner has let go of it. */
  readonly transfersWait: boolean;
  /** It joined every generation since its last: what it had and has again was nobody else's meanwhile. */
  readonly consecutive: boolean;
  /** The session lasts at least from then, on the clock of `performance.now()`. */
  readonly atMs: number;
}

export const typeOf = (error: unknown): string | undefined => (error as Partial<ProtocolError>).type;

const FORGOTTEN = new Set(['UNKNOWN_MEMBER_ID', 'FENCED_INSTANCE_ID']);
/** The coordinator does not know this member any more. */
export const isForgotten = (error: unknown): boolean => FORGOTTEN.has(typeOf(error) ?? '');
/** … or not in this generation: the answer to its join is on its way, or lost. */
export const isOvertaken = (error: unknown): boolean => typeOf(error) === 'ILLEGAL_GENERATION';
export const isExpulsion = (error: unknown): boolean => isForgotten(error) || isOvertaken(error);
export const isRebalance = (error: unknown): boolean => typeOf(error) === 'REBALANCE_IN_PROGRESS';

const NO_GENERATION = -1;

/** What a member says of itself when it joins. Members of a release that let go of everything before they joined do not say `letsGoLater`. */
type Claims = Pick<Subscriber, 'generation' | 'owned' | 'letsGoLater'>;

const readClaims = (userData: Buffer): Claims => {
  try {
    const { generation, owned, letsGoLater } = JSON.parse(userData.toString()) as Partial<Claims>;
    return { generation: Number(generation), owned: Array.isArray(owned) ? owned : [], letsGoLater: letsGoLater === true };
  } catch {
    return { generation: NO_GENERATION, owned: [], letsGoLater: false };
  }
};

/** What a leader says of its assignment. One of such a release says nothing, and hands over at once. */
const TRANSFERS_WAIT = Buffer.from('transfers wait');

const byTopic = <T extends TopicPartition, P>(items: readonly T[], entry: (item: T) => P): { topic: string; partitions: P[] }[] => {
  const topics = new Map<string, P[]>();
  for (const item of items) topics.set(item.topic, [...(topics.get(item.topic) ?? []), entry(item)]);
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }));
};

/**
 * The requests of one member to the broker that coordinates its group. Topics here are those of the wire, with prefix.
 * A broker answers the requests of a connection one by one, and a join waits for others: so it has one of its own, and the member beats and commits
 * meanwhile.
 */
export class GroupCoordinator {
  readonly #asking: Coordinator;
  readonly #joining: Coordinator;
  #memberId = '';
  #generation = NO_GENERATION;
  /** The last generation in which what it owns was surely nobody else's. */
  #ownedIn = NO_GENERATION;

  constructor(
    private readonly connection: Connection,
    joining: Connection,
    private readonly groupId: string,
    private readonly topics: readonly string[],
    private readonly coPartitioned: boolean,
    private readonly timeouts: GroupTimeouts,
  ) {
    this.#asking = new Coordinator(connection, groupId);
    this.#joining = new Coordinator(joining, groupId);
  }

  /**
   * Waits for the other members. Until it is over commits of the last generation are accepted, but for a moment at its end.
   * `letsGoLater`: what it owns goes on meanwhile.
   */
  async join(owned: readonly TopicPartition[], letsGoLater: boolean): Promise<Joined> {
    const { groupId } = this;
    const claims: Claims = { generation: this.#ownedIn, owned, letsGoLater };
    const metadata = encodeSubscription(this.topics, Buffer.from(JSON.stringify(claims)));
    const request = {
      groupId,
      sessionTimeout: this.timeouts.sessionTimeoutMs,
      rebalanceTimeout: this.timeouts.rebalanceTimeoutMs,
      memberId: this.#memberId,
      groupProtocols: [{ name: this.coPartitioned ? 'sticky-co-partitioned' : 'sticky', metadata }],
    };
    // The group waits for whoever it has named: a join that fails is tried again under that name, or says under it that it leaves.
    const joined = await this.#joining.ask((broker) => joinGroup(broker, request, (memberId) => (this.#memberId = memberId)));
    const { generationId, memberId } = joined;
    const consecutive = generationId === this.#ownedIn + 1;
    this.#memberId = memberId;
    // Its claims are known to whoever leads this generation, also if another one begins before its assignment comes; but the leader of
    // one that was missed may have handed over at once.
    if (consecutive) this.#ownedIn = generationId;
    this.#generation = consecutive ? generationId : NO_GENERATION;
    const groupAssignment = joined.leaderId === memberId ? await this.#assign(joined.members) : [];
    const atMs = performance.now();
    const { memberAssignment } = await this.#joining.ask((broker) =>
      broker.syncGroup({ groupId, generationId, memberId, groupAssignment }),
    );
    this.#generation = this.#ownedIn = generationId;
    const { assignment, userData } = decodeAssignment(memberAssignment);
    return {
      partitions: Object.entries(assignment).flatMap(([topic, own]) => own.map((partition) => ({ topic, partition }))),
      transfersWait: userData.equals(TRANSFERS_WAIT),
      consecutive,
      atMs,
    };
  }

  async heartbeat(): Promise<void> {
    const membership = { groupId: this.groupId, groupGenerationId: this.#generation, memberId: this.#memberId };
    await this.#asking.ask((broker) => broker.heartbeat(membership));
  }

  /** Fenced by the generation: the broker refuses what an earlier owner still wants to commit. */
  async commit(offsets: readonly OffsetCommit[]): Promise<void> {
    const [memberId, generation] = [this.#memberId, this.#generation];
    try {
      await this.#commit(offsets, memberId, generation);
    } catch (error) {
      if (typeOf(error) !== 'OFFSET_METADATA_TOO_LARGE') throw error;
      // Metadata only spares duplicates, the offset must get through.
      await this.#commit(
        offsets.map(({ topic, partition, offset }) => ({ topic, partition, offset })),
        memberId,
        generation,
      );
    }
  }

  /** Accepted while the group has no members at all. */
  commitForEmptyGroup(offsets: readonly OffsetCommit[]): Promise<void> {
    return this.#commit(offsets, '', NO_GENERATION);
  }

  committed(topic: string, partitions: readonly number[]): Promise<ReadonlyMap<number, CommittedOffset>> {
    return this.#asking.ask((broker) => fetchCommitted(broker, this.groupId, topic, partitions));
  }

  get joined(): boolean {
    return this.#generation !== NO_GENERATION;
  }

  /** Nothing can be committed until the next join. That is one under the same name, which ends the old membership, if it is still known. */
  fallenOut(error: unknown): void {
    this.#generation = NO_GENERATION;
    if (!isForgotten(error)) return;
    this.#memberId = '';
    this.#ownedIn = NO_GENERATION;
  }

  async leave(): Promise<void> {
    const memberId = this.#memberId;
    this.#memberId = '';
    this.#generation = NO_GENERATION;
    if (memberId !== '') await this.#asking.ask((broker) => broker.leaveGroup({ groupId: this.groupId, memberId }));
  }

  async #commit(offsets: readonly OffsetCommit[], memberId: string, groupGenerationId: number): Promise<void> {
    const topics = byTopic(offsets, ({ partition, offset, metadata }) => ({
      partition,
      offset: String(offset),
      metadata: metadata ?? null,
    }));
    await this.#asking.ask((broker) => broker.offsetCommit({ groupId: this.groupId, groupGenerationId, memberId, topics }));
  }

  async #assign(members: readonly GroupMemberInfo[]): Promise<{ memberId: string; memberAssignment: Buffer }[]> {
    const subscribers: Subscriber[] = members.map(({ memberId, memberMetadata }) => {
      const { topics, userData } = decodeSubscription(memberMetadata);
      return { memberId, topics, ...readClaims(userData) };
    });
    const partitions = new Map<string, number>();
    for (const topic of new Set(subscribers.flatMap(({ topics }) => topics)))
      partitions.set(topic, (await this.connection.leaders(topic)).length);
    const subscription = { partitions, coPartitioned: this.coPartitioned };
    return [...withoutTransfers(assign(subscribers, subscription), subscribers, subscription)].map(([memberId, own]) => ({
      memberId,
      memberAssignment: encodeAssignment(Object.fromEntries(byTopic(own, ({ partition }) => partition).map(({ topic, partitions: own }) => [topic, own])), TRANSFERS_WAIT), // prettier-ignore
    }));
  }
}

/** The broker that coordinates the group, found anew whenever it moved or the connection was lost. */
class Coordinator {
  #broker: Broker | null = null;

  constructor(
    private readonly connection: Connection,
    private readonly groupId: string,
  ) {}

  async ask<T>(work: (broker: Broker) => Promise<T>): Promise<T> {
    if (this.#broker?.isConnected() !== true) this.#broker = await this.connection.coordinator(this.groupId);
    try {
      const answer = await work(this.#broker);
      this.connection.works();
      return answer;
    } catch (error) {
      const type = typeOf(error);
      if (type === undefined || type === 'NOT_COORDINATOR_FOR_GROUP' || type === 'GROUP_COORDINATOR_NOT_AVAILABLE') this.#broker = null;
      throw error;
    }
  }
}
