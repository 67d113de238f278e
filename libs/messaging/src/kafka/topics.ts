import type { TopicSpec } from '../log.js';
import type { Connection } from './connection.js';
import type { ProtocolError } from './kafkajs-internals.js';
import { FRAMING_BYTES, isUnknownTopic, leadersOnceCreated } from './topic-facts.js';

const CREATE_TIMEOUT_MS = 10_000;
/** A broker under load tells of a topic seconds after it has created it. */
const LEADERS_TIMEOUT_MS = 30_000;
/** A compacted topic is read from its beginning at every start: small segments, and cleaned early, keep that short. */
const COMPACTED_SEGMENT_MS = 10 * 60_000;
const COMPACTED_DIRTY_RATIO = 0.1;

const configOf = ({ cleanup, retentionMs, messageBytesMax }: TopicSpec): { name: string; value: string }[] => {
  const entries = {
    'cleanup.policy': cleanup,
    'max.message.bytes': String(messageBytesMax + FRAMING_BYTES),
    // Deadlines and look-backs count in the broker's time, whoever's clock wrote the record.
    'message.timestamp.type': 'LogAppendTime',
    // Whatever a foreign producer compresses with, readers here need no codec for it.
    'compression.type': 'uncompressed',
    ...(retentionMs !== null && { 'retention.ms': String(retentionMs) }),
    ...(cleanup === 'compact' && {
      'segment.ms': String(COMPACTED_SEGMENT_MS),
      'min.cleanable.dirty.ratio': String(COMPACTED_DIRTY_RATIO),
    }),
  };
  return Object.entries(entries).map(([name, value]) => ({ name, value }));
};

/** Several services create the same topics when they start together. */
const createdByAnother = (error: unknown): boolean => {
  const { errors } = error as { errors?: readonly Partial<ProtocolError>[] };
  return errors !== undefined && errors.every(({ type }) => type === 'TOPIC_ALREADY_EXISTS');
};

async function exists(connection: Connection, topic: string): Promise<boolean> {
  try {
    await connection.leaders(connection.physical(topic));
    return true;
  } catch (error) {
    if (isUnknownTopic(error)) return false;
    throw error;
  }
}

/** Creates the topics that are missing, replicated as the broker has it by default, and waits until they have leaders. */
export async function ensureTopics(connection: Connection, specs: readonly TopicSpec[]): Promise<void> {
  for (const spec of specs) {
    if (await exists(connection, spec.name)) continue;
    const controller = await connection.cluster.findControllerBroker();
    const topic = { topic: connection.physical(spec.name), numPartitions: spec.partitions, configEntries: configOf(spec) };
    try {
      await controller.createTopics({ topics: [topic], timeout: CREATE_TIMEOUT_MS });
    } catch (error) {
      if (!createdByAnother(error)) throw firstError(error);
    }
  }
  for (const { name } of specs) await leadersOnceCreated(connection, name, LEADERS_TIMEOUT_MS);
}

const firstError = (error: unknown): unknown => (error as { errors?: readonly unknown[] }).errors?.[0] ?? error;
