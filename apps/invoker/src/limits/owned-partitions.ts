import type { TopicPartition } from '@cf/messaging';

/** The partitions of a lane's topic that this worker owns. */
export class OwnedPartitions {
  /** How many the topic has. */
  all = 1;
  private readonly since = new Map<number, number>();

  get count(): number {
    return this.since.size;
  }

  /** When a partition came, ms since the epoch; now for one that is not owned. */
  sinceMs(partition: number): number {
    return this.since.get(partition) ?? Date.now();
  }

  add(partitions: readonly TopicPartition[], all: number): void {
    this.all = all;
    for (const { partition } of partitions) this.since.set(partition, Date.now());
  }

  remove(partitions: readonly TopicPartition[]): void {
    for (const { partition } of partitions) this.since.delete(partition);
  }
}
