/**
 * Everything this adapter takes from inside kafkajs, in one place: the version is pinned to 2.2.4, and `kafkajs-contract.int-spec.ts` holds
 * each of these to what is relied on against a real broker.
 *
 * Of kafkajs we use connections, authentication, metadata and the encoding of requests (but that of Produce). Its consumer and producer are not used:
 * the consumer holds the fetches of a broker back until every batch of the last one is handled, reads kept partitions again
 * from the last commit after each rebalance and jumps to a default offset by itself; the producer answers a batch with the first
 * error of any partition, so that a retry doubles what was already appended.
 */
import { createRequire } from 'node:module';
import { AssignerProtocol, type Cluster as PublicCluster, type Kafka } from 'kafkajs';
import './mend-kafkajs.js';

const require = createRequire(import.meta.url);

type Api = 'Produce' | 'Fetch' | 'ListOffsets' | 'JoinGroup';

interface ProtocolRequest {
  readonly request: { readonly apiVersion: number };
  readonly response: { decode(raw: Buffer): Promise<unknown> };
  readonly requestTimeout?: number;
}

export interface GroupMemberInfo {
  readonly memberId: string;
  readonly memberMetadata: Buffer;
}

export interface JoinRequest {
  readonly groupId: string;
  readonly sessionTimeout: number;
  readonly rebalanceTimeout: number;
  readonly memberId: string;
  readonly groupProtocols: readonly { readonly name: string; readonly metadata: Buffer }[];
}

export interface JoinedGroup {
  readonly generationId: number;
  readonly leaderId: string;
  readonly memberId: string;
  readonly members: readonly GroupMemberInfo[];
}

export interface TopicPartitions<P> {
  readonly topic: string;
  readonly partitions: readonly P[];
}

/** A broker as kafkajs has it; topics are those of the wire, with prefix. */
export interface Broker {
  readonly nodeId: number;
  isConnected(): boolean;
  disconnect(): Promise<void>;
  syncGroup(request: {
    groupId: string;
    generationId: number;
    memberId: string;
    groupAssignment: readonly { memberId: string; memberAssignment: Buffer }[];
  }): Promise<{ memberAssignment: Buffer }>;
  heartbeat(request: { groupId: string; groupGenerationId: number; memberId: string }): Promise<unknown>;
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>;
  offsetCommit(request: {
    groupId: string;
    groupGenerationId: number;
    memberId: string;
    topics: readonly TopicPartitions<{ partition: number; offset: string; metadata: string | null }>[];
  }): Promise<unknown>;
  offsetFetch(request: {
    groupId: string;
    topics: readonly TopicPartitions<{ partition: number }>[];
  }): Promise<{ responses: readonly TopicPartitions<{ partition: number; offset: string; metadata: string | null }>[] }>;
  listOffsets(request: {
    isolationLevel: number;
    topics: readonly TopicPartitions<{ partition: number; timestamp: number }>[];
  }): Promise<{ responses: readonly TopicPartitions<{ partition: number; offset: string }>[] }>;
  createTopics(request: {
    topics: readonly { topic: string; numPartitions: number; configEntries: readonly { name: string; value: string }[] }[];
    timeout: number;
  }): Promise<unknown>;
  describeConfigs(request: { resources: readonly { type: number; name: string; configNames: readonly string[] }[] }): Promise<{
    resources: readonly {
      errorCode: number;
      resourceName: string;
      configEntries: readonly { configName: string; configValue: string }[];
    }[];
  }>;
  readonly lookupRequest: (apiKey: number, definitions: unknown) => (options: object) => ProtocolRequest;
  readonly connectionPool: { readonly host: string; readonly port: number; send(request: object): Promise<unknown> };
}

export interface PartitionMetadata {
  readonly partitionId: number;
  readonly leader: number;
}

export interface Cluster {
  isConnected(): boolean;
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  refreshMetadata(): Promise<void>;
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  findBroker(node: { nodeId: number }): Promise<Broker>;
  findControllerBroker(): Promise<Broker>;
  findGroupCoordinator(group: { groupId: string }): Promise<Broker>;
  findTopicPartitionMetadata(topic: string): readonly PartitionMetadata[];
}

/** An error code of the protocol as kafkajs names it. */
export interface ProtocolError extends Error {
  readonly type: string;
  readonly retriable: boolean;
}

export interface Decoder {
  readInt16(): number;
  readInt32(): number;
  readInt64(): bigint;
  readString(): string;
  readBytes(): Buffer | null;
  readArray<T>(read: (decoder: Decoder) => T): T[];
  readArrayAsync<T>(read: (decoder: Decoder) => Promise<T>): Promise<T[]>;
  canReadBytes(length: number): boolean;
}

const { requests } = require('kafkajs/src/protocol/requests') as { requests: Record<Api, unknown> };
const apiKeys = require('kafkajs/src/protocol/requests/apiKeys') as Record<Api, number>;

export const { createErrorFromCode } = require('kafkajs/src/protocol/error') as { createErrorFromCode(code: number): ProtocolError };
export const Decoder = require('kafkajs/src/protocol/decoder') as new (buffer: Buffer) => Decoder;
/** How the records of a batch with these attributes are compressed, null for not at all; throws for a codec that is not installed. */
export const { lookupCodecByAttributes: codecOf } = require('kafkajs/src/protocol/message/compression') as {
  lookupCodecByAttributes(attributes: number): { decompress(bytes: Buffer): Promise<Buffer> } | null;
};

/** The cluster object that kafkajs makes for a consumer; its partition assigners are handed it. */
export function openCluster(kafka: Kafka): Cluster {
  let cluster: PublicCluster | undefined;
  kafka.consumer({
    groupId: 'not-joined',
    allowAutoTopicCreation: false,
    partitionAssigners: [
      (config) => {
        cluster = config.cluster;
        return { name: 'unused', version: 1, assign: async () => [], protocol: () => ({ name: 'unused', metadata: Buffer.alloc(0) }) };
      },
    ],
  });
  return cluster as unknown as Cluster;
}

/** How one request is written or its answer read where we know better than kafkajs. */
export interface OwnCodec<T> {
  readonly body?: Buffer;
  readonly decode?: (raw: Buffer, apiVersion: number) => Promise<T>;
}

/** Sends a request and gives the answer of every partition, where kafkajs itself would throw the first error of any. */
export async function request<T>(broker: Broker, api: Api, options: object, { body, decode }: OwnCodec<T> = {}): Promise<T> {
  const { request: message, response, requestTimeout } = broker.lookupRequest(apiKeys[api], requests[api])(options);
  const read = decode === undefined ? response.decode : (raw: Buffer) => decode(raw, message.apiVersion);
  const answer = await broker.connectionPool.send({
    // What kafkajs takes for one of its encoders.
    request: body === undefined ? message : { ...message, encode: async () => ({ buf: body, buffer: body }) },
    response: { decode: read, parse: async (decoded: T) => decoded },
    requestTimeout,
  });
  return answer as T;
}

/** Tells a new member its name at once: kafkajs tells it when the group has gathered, and by then the connection may be lost. */
export async function joinGroup(broker: Broker, request: JoinRequest, named: (memberId: string) => void): Promise<JoinedGroup> {
  const ask = (memberId: string): Promise<unknown> =>
    broker.connectionPool.send(
      broker.lookupRequest(apiKeys.JoinGroup, requests.JoinGroup)({ protocolType: 'consumer', ...request, memberId }),
    );
  const joined = ask(request.memberId).catch((error: Partial<ProtocolError & JoinedGroup>) => {
    if (error.type !== 'MEMBER_ID_REQUIRED') throw error;
    named(error.memberId!);
    return ask(error.memberId!);
  });
  return (await joined) as JoinedGroup;
}

export const encodeSubscription = (topics: readonly string[], userData: Buffer): Buffer =>
  AssignerProtocol.MemberMetadata.encode({ version: 1, topics: [...topics], userData });

export const decodeSubscription = (metadata: Buffer): { topics: readonly string[]; userData: Buffer } =>
  AssignerProtocol.MemberMetadata.decode(metadata) ?? { topics: [], userData: Buffer.alloc(0) };

export const encodeAssignment = (assignment: Readonly<Record<string, readonly number[]>>, userData: Buffer): Buffer =>
  AssignerProtocol.MemberAssignment.encode({ version: 1, assignment: assignment as Record<string, number[]>, userData });

export const decodeAssignment = (
  bytes: Buffer,
): { readonly assignment: Readonly<Record<string, readonly number[]>>; readonly userData: Buffer } =>
  AssignerProtocol.MemberAssignment.decode(bytes) ?? { assignment: {}, userData: Buffer.alloc(0) };
