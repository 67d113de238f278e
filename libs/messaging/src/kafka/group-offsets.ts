import type { AssignedPartition, GroupOptions, TopicPartition } from '../log.js';
import type { Connection } from './connection.js';
import { type GroupCoordinator, isExpulsion, isRebalance } from './group-coordinator.js';
import { EARLIEST, listOffsets } from './offsets.js';

export interface Beginning extends AssignedPartition {
  readonly startOffset: number;
}

/** Where a group begins to read. Topics are those of the port, without prefix. */
export class GroupOffsets {
  constructor(
    private readonly connection: Connection,
    private readonly coordinator: GroupCoordinator,
    private readonly options: Pick<GroupOptions, 'topics' | 'onOffsetOutOfRange'>,
    /** Told of a partition whose offset was lost, in a group that may not jump. */
    private readonly lost: (partition: TopicPartition, reason: string) => void,
  ) {}

  /** At what is committed, else at the earliest record. Partitions whose offset was lost are left out. */
  async beginningsOf(partitions: readonly TopicPartition[]): Promise<readonly Beginning[]> {
    const topics = [...new Set(partitions.map(({ topic }) => topic))];
    const beginnings = topics.map((topic) =>
      this.#ofTopic(
        topic,
        partitions.filter((own) => own.topic === topic),
      ),
    );
    return (await Promise.all(beginnings)).flat();
  }

  /**
   * A group that may not jump writes down where it starts before anybody joins, so that a partition without an offset is a loss
   * later on and not one that never had a record.
   */
  async settleStart(): Promise<void> {
    if (this.options.onOffsetOutOfRange !== 'stop') return;
    for (const topic of this.options.topics) {
      const earliest = await listOffsets(this.connection, topic, EARLIEST);
      const name = this.connection.physical(topic);
      const committed = await this.coordinator.committed(name, [...earliest.keys()]);
      if ([...committed.values()].some(({ offset }) => offset !== null)) continue;
      const start = [...earliest].map(([partition, offset]) => ({ topic: name, partition, offset: offset ?? 0 }));
      await this.coordinator.commitForEmptyGroup(start).catch((error: unknown) => {
        // Another member was quicker, and did the same before it joined.
        if (!isExpulsion(error) && !isRebalance(error)) throw error;
      });
    }
  }

  async #ofTopic(topic: string, partitions: readonly TopicPartition[]): Promise<readonly Beginning[]> {
    const earliest = await listOffsets(this.connection, topic, EARLIEST);
    const committed = await this.coordinator.committed(this.connection.physical(topic), [...earliest.keys()]);
    const known = [...committed.values()].some(({ offset }) => offset !== null);
    return partitions.flatMap(({ partition }) => {
      const { offset, metadata } = committed.get(partition) ?? { offset: null, metadata: '' };
      if (offset === null && known && this.options.onOffsetOutOfRange === 'stop') {
        this.lost({ topic, partition }, 'the group committed elsewhere but has no offset here');
        return [];
      }
      return [{ topic, partition, committedOffset: offset, metadata, startOffset: offset ?? earliest.get(partition) ?? 0 }];
    });
  }
}
