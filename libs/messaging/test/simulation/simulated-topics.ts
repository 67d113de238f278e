import type { LogRecord, TopicPartition } from '../../src/log.js';

export const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;
export const recordName = ({ topic, partition, offset }: LogRecord): string => `${topic}/${partition}@${offset}`;

/** One partition: records in offset order, with gaps, cut off at its start by retention. */
export interface SimulatedPartition extends TopicPartition {
  readonly records: LogRecord[];
  startOffset: number;
  nextOffset: number;
}

export class SimulatedTopics {
  readonly partitions = new Map<string, SimulatedPartition>();
  /** Told after each append. */
  readonly appended = new Set<() => void>();

  constructor(topics: readonly string[], partitions: number) {
    for (const topic of topics) {
      for (let partition = 0; partition < partitions; partition++) {
        const each = { topic, partition, records: [], startOffset: 0, nextOffset: 0 };
        this.partitions.set(nameOf(each), each);
      }
    }
  }

  partition(of: TopicPartition): SimulatedPartition {
    return this.partitions.get(nameOf(of))!;
  }

  endOffsets(topic: string): number[] {
    return [...this.partitions.values()].filter((partition) => partition.topic === topic).map(({ nextOffset }) => nextOffset);
  }

  append(to: TopicPartition, written: Pick<LogRecord, 'key' | 'value' | 'headers' | 'timestampMs'>, gap: number): LogRecord {
    const { topic, partition, records } = this.partition(to);
    const offset = this.partition(to).nextOffset + gap;
    const record = { topic, partition, offset, ...written };
    records.push(record);
    this.partition(to).nextOffset = offset + 1;
    for (const tell of this.appended) tell();
    return record;
  }

  /** Retention: the log begins later. */
  cut(of: TopicPartition, startOffset: number): void {
    const partition = this.partition(of);
    partition.startOffset = Math.max(partition.startOffset, Math.min(startOffset, partition.nextOffset));
  }

  /** At most so many records of a partition from an offset on, each made anew: what is delivered twice is two to whoever gets it. */
  read(of: TopicPartition, fromOffset: number, recordsMax: number): readonly LogRecord[] {
    const { records } = this.partition(of);
    let low = 0;
    let high = records.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (records[middle]!.offset < fromOffset) low = middle + 1;
      else high = middle;
    }
    return records.slice(low, low + recordsMax).map((record) => ({ ...record }));
  }
}
