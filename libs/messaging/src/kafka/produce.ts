import type { Connection } from './connection.js';
import { createErrorFromCode, request } from './kafkajs-internals.js';
import type { PartitionQueue, PendingRecord } from './partition-queue.js';
import { encodeProduceBody } from './produce-request.js';

export interface PartitionBatch {
  readonly queue: PartitionQueue;
  readonly records: readonly PendingRecord[];
}

interface ProduceAnswer {
  readonly topics: readonly {
    readonly topicName: string;
    readonly partitions: readonly { readonly partition: number; readonly errorCode: number }[];
  }[];
}

/** All replicas that are in sync have it. */
const ACKS_ALL = -1;
/** How long the leader waits for them; below the request's own timeout, so that its answer is heard. */
const REPLICATION_TIMEOUT_MS = 20_000;

async function produceTo(
  connection: Connection,
  leader: number,
  batches: readonly PartitionBatch[],
): Promise<ReadonlyMap<PartitionQueue, Error | null>> {
  try {
    const broker = await connection.broker(leader);
    const placed = batches.map(({ queue, records }) => ({
      topic: connection.physical(queue.topic),
      partition: queue.partition,
      records,
    }));
    const body = encodeProduceBody(ACKS_ALL, REPLICATION_TIMEOUT_MS, placed, Date.now());
    const answer = await request<ProduceAnswer>(broker, 'Produce', { acks: ACKS_ALL }, { body });
    const codes = new Map(
      answer.topics.flatMap(({ topicName, partitions }) =>
        partitions.map(({ partition, errorCode }) => [`${topicName}/${partition}`, errorCode] as const),
      ),
    );
    return new Map(
      batches.map(({ queue }) => {
        const code = codes.get(`${connection.physical(queue.topic)}/${queue.partition}`);
        if (code === undefined) return [queue, new Error('the broker did not answer for this partition')];
        return [queue, code === 0 ? null : createErrorFromCode(code)];
      }),
    );
  } catch (error) {
    return new Map(batches.map(({ queue }) => [queue, error as Error]));
  }
}

/** Sends each partition's batch to its leader, one request a leader; what came of each, null when it is durable. Never throws. */
export async function produce(
  connection: Connection,
  batches: readonly PartitionBatch[],
): Promise<ReadonlyMap<PartitionQueue, Error | null>> {
  const outcomes = new Map<PartitionQueue, Error | null>();
  const byLeader = new Map<number, PartitionBatch[]>();
  for (const batch of batches) {
    try {
      const leaders = await connection.leaders(connection.physical(batch.queue.topic));
      const leader = leaders[batch.queue.partition];
      if (leader === undefined) throw new Error('the partition has no leader');
      byLeader.set(leader, [...(byLeader.get(leader) ?? []), batch]);
    } catch (error) {
      outcomes.set(batch.queue, error as Error);
    }
  }
  const answers = await Promise.all([...byLeader].map(([leader, led]) => produceTo(connection, leader, led)));
  for (const answer of answers) for (const [queue, error] of answer) outcomes.set(queue, error);
  return outcomes;
}
