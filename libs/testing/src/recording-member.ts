import { randomUUID } from 'node:crypto';
import type {
  AssignedPartition,
  GroupListener,
  GroupMember,
  GroupOptions,
  LogRecord,
  MessageLog,
  OffsetCommit,
  TopicPartition,
} from '@cf/messaging';
import { eventually } from './eventually.js';

export interface RecordingOptions extends Partial<Pick<GroupOptions, 'group' | 'coPartitioned' | 'drainTimeoutMs' | 'onOffsetOutOfRange'>> {
  readonly topics: readonly string[];
  /** What it commits when its partitions may go. */
  readonly whileRevoking?: (member: RecordingMember) => Promise<void>;
}

/** A member of a group that keeps all it is told. */
export class RecordingMember implements GroupListener {
  readonly delivered: LogRecord[] = [];
  readonly assignments: AssignedPartition[] = [];
  readonly lostPartitions: TopicPartition[] = [];
  readonly failures: Error[] = [];
  readonly revoked: TopicPartition[] = [];
  private joined: GroupMember | null = null;

  private constructor(private readonly whileRevoking: RecordingOptions['whileRevoking']) {}

  static async join(log: MessageLog, options: RecordingOptions): Promise<RecordingMember> {
    const listener = new RecordingMember(options.whileRevoking);
    listener.joined = await log.join({
      group: options.group ?? `group-${randomUUID()}`,
      topics: options.topics,
      coPartitioned: options.coPartitioned ?? false,
      drainTimeoutMs: options.drainTimeoutMs ?? 2_000,
      onOffsetOutOfRange: options.onOffsetOutOfRange ?? 'earliest',
      listener,
    });
    return listener;
  }

  get member(): GroupMember {
    if (this.joined === null) throw new Error('not joined yet');
    return this.joined;
  }

  values(partition?: number): string[] {
    return this.delivered.filter((record) => partition === undefined || record.partition === partition).map(({ value }) => String(value));
  }

  ownedPartitions(): string[] {
    return this.member
      .assignment()
      .map(({ topic, partition }) => `${topic} ${partition}`)
      .sort();
  }

  /** Waits until it owns so many partitions and is well. */
  async owns(partitions: number): Promise<void> {
    await eventually(() => {
      if (!this.member.healthy()) throw new Error('not healthy');
      if (this.member.assignment().length !== partitions)
        throw new Error(`owns ${this.ownedPartitions().join()} rather than ${partitions} partitions`);
    }, 30_000);
  }

  async got(records: number): Promise<void> {
    await eventually(() => {
      if (this.delivered.length < records) throw new Error(`got ${this.delivered.length} of ${records} records: ${this.values().join()}`);
    }, 30_000);
  }

  commit(topic: string, partition: number, offset: number, metadata?: string): Promise<void> {
    return this.member.commit([{ topic, partition, offset, ...(metadata !== undefined && { metadata }) }]);
  }

  /** Commits behind the last record that it got of each partition. */
  async commitDelivered(): Promise<void> {
    const next = new Map<string, OffsetCommit>();
    for (const { topic, partition, offset } of this.delivered) next.set(`${topic} ${partition}`, { topic, partition, offset: offset + 1 });
    await this.member.commit([...next.values()]);
  }

  async assigned(partitions: readonly AssignedPartition[]): Promise<void> {
    this.assignments.push(...partitions);
  }

  records(_topic: string, _partition: number, records: readonly LogRecord[]): void {
    this.delivered.push(...records);
  }

  async revoking(partitions: readonly TopicPartition[]): Promise<void> {
    this.revoked.push(...partitions);
    await this.whileRevoking?.(this);
  }

  lost(partitions: readonly TopicPartition[]): void {
    this.lostPartitions.push(...partitions);
  }

  failed(error: Error): void {
    this.failures.push(error);
  }
}
