import type { Connection } from './connection.js';

/** Timestamps of ListOffsets with a meaning of their own. */
export const EARLIEST = -2;
export const LATEST = -1;
/** Read committed, as all fetches are: the end is then one that a reader can reach. */
export const READ_COMMITTED = 1;

/** One request to each leader: an offset for every given partition of a topic (logical name), null where none is that new. */
export async function listOffsets(
  connection: Connection,
  topic: string,
  timestamp: number,
  partitions?: readonly number[],
): Promise<ReadonlyMap<number, number | null>> {
  const name = connection.physical(topic);
  const leaders = await connection.leaders(name);
  const byLeader = new Map<number, number[]>();
  for (const partition of partitions ?? leaders.keys()) {
    const leader = leaders[partition];
    if (leader === undefined) throw new Error(`${topic} has no partition ${partition}`);
    byLeader.set(leader, [...(byLeader.get(leader) ?? []), partition]);
  }
  const offsets = new Map<number, number | null>();
  await Promise.all(
    [...byLeader].map(async ([leader, led]) => {
      const broker = await connection.broker(leader);
      const topics = [{ topic: name, partitions: led.map((partition) => ({ partition, timestamp })) }];
      const { responses } = await broker.listOffsets({ isolationLevel: READ_COMMITTED, topics });
      for (const { partition, offset } of responses[0]?.partitions ?? [])
        offsets.set(partition, Number(offset) < 0 ? null : Number(offset));
    }),
  );
  return offsets;
}
