import type { OffsetCommit } from '../log.js';
import { MessagingError } from '../errors.js';
import type { LogStorage, StoredGroup } from './log-storage.js';

interface CommitWaiter {
  readonly resolve: () => void;
  readonly reject: (error: MessagingError) => void;
}

interface GroupCommits {
  readonly topics: Map<string, { seenAtMs: number; readonly byPartition: Map<number, OffsetCommit> }>;
  pending: Map<string, OffsetCommit>;
  waiters: CommitWaiter[];
  writing: boolean;
}

/** What groups have committed. One write per group is in flight and carries all that came meanwhile. */
export class CommittedOffsets {
  private readonly groups = new Map<string, GroupCommits>();
  private readonly writes = new Set<Promise<void>>();

  constructor(private readonly storage: LogStorage) {}

  load(stored: readonly StoredGroup[]): void {
    for (const { group, topic, seenAtMs, commits } of stored) {
      this.group(group).topics.set(topic, { seenAtMs, byPartition: new Map(commits.map((commit) => [commit.partition, commit])) });
    }
  }

  /** Makes the group durable on these topics: from now on records are kept for it. */
  async register(group: string, topics: readonly string[], nowMs: number): Promise<void> {
    await this.storage.saveGroup(group, topics, nowMs);
    const known = this.group(group).topics;
    for (const topic of topics)
      known.set(topic, { seenAtMs: nowMs, byPartition: known.get(topic)?.byPartition ?? new Map<number, OffsetCommit>() });
  }

  of(group: string, topic: string, partition: number): OffsetCommit | null {
    return this.groups.get(group)?.topics.get(topic)?.byPartition.get(partition) ?? null;
  }

  /** True when the group has committed anything of this topic before. */
  knows(group: string, topic: string): boolean {
    return (this.groups.get(group)?.topics.get(topic)?.byPartition.size ?? 0) > 0;
  }

  /** Groups of a topic with what they committed, for deciding what is still needed. */
  groupsOf(topic: string): { readonly group: string; readonly seenAtMs: number; readonly offset: (partition: number) => number }[] {
    return [...this.groups].flatMap(([group, { topics }]) => {
      const known = topics.get(topic);
      return known === undefined
        ? []
        : [{ group, seenAtMs: known.seenAtMs, offset: (partition) => known.byPartition.get(partition)?.offset ?? 0 }];
    });
  }

  commit(group: string, offsets: readonly OffsetCommit[]): Promise<void> {
    if (offsets.length === 0) return Promise.resolve();
    const commits = this.group(group);
    return new Promise((resolve, reject) => {
      for (const offset of offsets) commits.pending.set(`${offset.topic} ${offset.partition}`, offset);
      commits.waiters.push({ resolve, reject });
      if (commits.writing) return;
      const write = this.write(group, commits).finally(() => this.writes.delete(write));
      this.writes.add(write);
    });
  }

  async flush(): Promise<void> {
    await Promise.all(this.writes);
  }

  private async write(group: string, commits: GroupCommits): Promise<void> {
    commits.writing = true;
    while (commits.pending.size > 0) {
      const { waiters } = commits;
      const offsets = [...commits.pending.values()];
      commits.pending = new Map();
      commits.waiters = [];
      try {
        await this.storage.saveCommits(group, offsets);
        for (const offset of offsets) commits.topics.get(offset.topic)?.byPartition.set(offset.partition, offset);
        for (const waiter of waiters) waiter.resolve();
      } catch (cause) {
        const error = new MessagingError('commit_failed', `offsets of ${group} were not committed`, true, { cause });
        for (const waiter of waiters) waiter.reject(error);
      }
    }
    commits.writing = false;
  }

  private group(name: string): GroupCommits {
    const known = this.groups.get(name) ?? { topics: new Map(), pending: new Map<string, OffsetCommit>(), waiters: [], writing: false };
    this.groups.set(name, known);
    return known;
  }
}
