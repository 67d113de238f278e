import { setTimeout as delay } from 'node:timers/promises';
import type { Connection } from './connection.js';
import type { ProtocolError } from './kafkajs-internals.js';

export interface TopicFacts {
  readonly partitions: number;
  /** Key, value and headers of one record together; null where the broker does not tell. */
  readonly messageBytesMax: number | null;
}

/**
 * The broker's `max.message.bytes` counts a whole batch with its framing: 61 bytes, some 20 a record and up to 10 a header.
 * So topics are created with that much more than they promise, and promise that much less than they have.
 */
export const FRAMING_BYTES = 4 * 1024;

const TOPIC_RESOURCE = 2;
/** A topic that was created a moment ago is not known to every broker yet. */
const CREATION_GRACE_MS = 2_000;
const ASK_AGAIN_MS = 100;

export const isUnknownTopic = (error: unknown): boolean => (error as Partial<ProtocolError>).type === 'UNKNOWN_TOPIC_OR_PARTITION';

/** The leaders of a topic (logical name); one that is not there yet is waited for a little, or as long as it is known to come. */
export async function leadersOnceCreated(connection: Connection, topic: string, graceMs = CREATION_GRACE_MS): Promise<readonly number[]> {
  const giveUpAtMs = performance.now() + graceMs;
  for (;;) {
    try {
      return await connection.leaders(connection.physical(topic));
    } catch (error) {
      if (!isUnknownTopic(error) || performance.now() > giveUpAtMs) throw error;
      await delay(ASK_AGAIN_MS);
    }
  }
}

async function maxMessageBytes(connection: Connection, topic: string): Promise<number | null> {
  const broker = await connection.cluster.findControllerBroker();
  const configNames = ['max.message.bytes'];
  const { resources } = await broker.describeConfigs({
    resources: [{ type: TOPIC_RESOURCE, name: connection.physical(topic), configNames }],
  });
  const value = resources[0]?.configEntries.find(({ configName }) => configName === 'max.message.bytes')?.configValue;
  return value === undefined ? null : Number(value);
}

/** Asks the cluster. Throws `UNKNOWN_TOPIC_OR_PARTITION` when it has no such topic. */
export async function readTopicFacts(connection: Connection, topic: string): Promise<TopicFacts> {
  const leaders = await leadersOnceCreated(connection, topic);
  const bytes = await maxMessageBytes(connection, topic).catch((error: Partial<ProtocolError>) => {
    // Where describing is not granted, the broker's refusal of a batch has to do.
    if (error.type === 'TOPIC_AUTHORIZATION_FAILED') return null;
    throw error;
  });
  return { partitions: leaders.length, messageBytesMax: bytes === null ? null : bytes - FRAMING_BYTES };
}
