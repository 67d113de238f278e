import type {
  AssignedPartition,
  GroupListener,
  GroupMember,
  GroupOptions,
  LogRecord,
  MessageLog,
  OffsetCommit,
  TopicPartition,
} from '../src/log.js';

export const TOPIC = 'work';

export interface Written {
  readonly key?: string;
  readonly headers?: Record<string, string>;
  readonly bytes?: number;
  /** Offsets left out before it. */
  readonly gap?: number;
}

/**
 * One topic and one member at a time, moved by hand: what is written is delivered at once to whoever owns the partition, ownership
 * changes when the test says so, and a crash forgets the member without a word to it.
 */
export class ScriptedLog {
  readonly commits: OffsetCommit[] = [];
  /** Those that were not answered yet, too. */
  readonly requested: OffsetCommit[] = [];
  readonly paused = new Set<number>();
  takesCommit = (): Promise<void> => Promise.resolve();
  commitError: Error | null = null;
  left = false;
  isInSession = true;
  private readonly records = new Map<number, LogRecord[]>();
  private readonly positions = new Map<number, number>();
  private readonly owned = new Set<number>();
  private listener: GroupListener | null = null;

  asMessageLog(): MessageLog {
    return {
      join: (options: GroupOptions) => Promise.resolve(this.join(options)),
      endOffsets: () => Promise.resolve(this.endOffsets()),
    } as unknown as MessageLog;
  }

  write(partition: number, written: Written = {}): number {
    const records = this.records.get(partition) ?? [];
    const { key = null, headers = {}, bytes = 1, gap = 0 } = written;
    const offset = (records.at(-1)?.offset ?? -1) + 1 + gap;
    records.push({
      topic: TOPIC,
      partition,
      offset,
      key: key === null ? null : Buffer.from(key),
      value: Buffer.alloc(bytes),
      headers,
      timestampMs: 0,
    });
    this.records.set(partition, records);
    this.deliver(partition);
    return offset;
  }

  private endOffsets(): number[] {
    const ends: number[] = [];
    for (const [partition, records] of this.records) ends[partition] = (records.at(-1)?.offset ?? -1) + 1;
    return Array.from(ends, (end) => end ?? 0);
  }

  committed(partition: number): number | null {
    return this.commits.findLast((commit) => commit.partition === partition)?.offset ?? null;
  }

  async assign(...partitions: number[]): Promise<void> {
    const assigned = partitions.map((partition): AssignedPartition => {
      const commit = this.commits.findLast((each) => each.partition === partition);
      return { topic: TOPIC, partition, committedOffset: commit?.offset ?? null, metadata: commit?.metadata ?? '' };
    });
    for (const { partition, committedOffset } of assigned) {
      this.owned.add(partition);
      this.positions.set(partition, committedOffset ?? 0);
    }
    await this.listener?.assigned(assigned);
    for (const partition of this.owned) this.deliver(partition);
  }

  async revoke(...partitions: number[]): Promise<void> {
    await this.listener?.revoking(partitions.map((partition) => ({ topic: TOPIC, partition })));
  }

  lose(...partitions: number[]): void {
    for (const partition of partitions) {
      this.owned.delete(partition);
      this.paused.delete(partition);
    }
    this.listener?.lost(partitions.map((partition) => ({ topic: TOPIC, partition })));
  }

  /** What a rejoin does with kafkajs: kept partitions are fetched again from the committed offset. */
  refetch(partition: number): void {
    this.positions.set(partition, this.committed(partition) ?? 0);
    this.deliver(partition);
  }

  crash(): void {
    this.listener = null;
    this.owned.clear();
  }

  private deliver(partition: number): void {
    if (this.paused.has(partition) || !this.owned.has(partition)) return;
    const position = this.positions.get(partition) ?? 0;
    const due = (this.records.get(partition) ?? []).filter(({ offset }) => offset >= position);
    if (due.length === 0) return;
    this.positions.set(partition, (due.at(-1)?.offset ?? 0) + 1);
    this.listener?.records(TOPIC, partition, due);
  }

  private join({ listener }: GroupOptions): GroupMember {
    this.listener = listener;
    const mine = (): boolean => this.listener === listener;
    return {
      assignment: () => [...this.owned].map((partition): TopicPartition => ({ topic: TOPIC, partition })),
      commit: async (offsets) => {
        this.requested.push(...offsets);
        await this.takesCommit();
        if (this.commitError !== null) throw this.commitError;
        if (mine()) this.commits.push(...offsets.filter(({ partition }) => this.owned.has(partition)));
      },
      pause: (partitions) => partitions.forEach(({ partition }) => this.paused.add(partition)),
      resume: (partitions) =>
        partitions.forEach(({ partition }) => {
          this.paused.delete(partition);
          this.deliver(partition);
        }),
      healthy: mine,
      mayStart: () => this.isInSession,
      leave: async () => {
        if (!mine()) return;
        const gone = [...this.owned].map((partition) => ({ topic: TOPIC, partition }));
        await listener.revoking(gone);
        this.owned.clear();
        listener.lost(gone);
        this.left = true;
      },
    };
  }
}
