import type { Broker, TopicPartitions } from './kafkajs-internals.js';

export interface CommittedOffset {
  /** Null where the group did not commit. */
  readonly offset: number | null;
  readonly metadata: string;
}

/** What a group committed for partitions of one topic (all names as on the wire). */
export async function fetchCommitted(
  coordinator: Broker,
  groupId: string,
  topic: string,
  partitions: readonly number[],
): Promise<ReadonlyMap<number, CommittedOffset>> {
  const topics: TopicPartitions<{ partition: number }>[] = [{ topic, partitions: partitions.map((partition) => ({ partition })) }];
  const { responses } = await coordinator.offsetFetch({ groupId, topics });
  return new Map(
    (responses[0]?.partitions ?? []).map(({ partition, offset, metadata }) => [
      partition,
      { offset: Number(offset) < 0 ? null : Number(offset), metadata: metadata ?? '' },
    ]),
  );
}
