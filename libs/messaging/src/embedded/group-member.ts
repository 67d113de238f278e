import type { AssignedPartition, GroupMember, GroupOptions, OffsetCommit, TopicPartition } from '../log.js';
import { MessagingError } from '../errors.js';
import type { CommittedOffsets } from './committed-offsets.js';
import type { LogView } from './log-view.js';
import { PartitionFeed } from './partition-feed.js';

/** Before a member that failed takes its partitions again. */
const REJOIN_DELAY_MS = 1_000;
/** What Kafka's brokers take by default. */
const METADATA_CHARS_MAX = 4096;

const nameOf = ({ topic, partition }: TopicPartition): string => `${topic} ${partition}`;

/** A partition that a member owns: `admitting` while `assigned` is awaited, fed after that unless it `isGoing`. */
interface OwnedPartition extends TopicPartition {
  admitting: boolean;
  isGoing: boolean;
  feed: PartitionFeed | null;
}

const newlyOwned = ({ topic, partition }: TopicPartition): OwnedPartition => ({
  topic,
  partition,
  admitting: false,
  isGoing: false,
  feed: null,
});

/** `joining` until its first partitions are taken, `failed` between an error and the next assignment. */
type MemberState = 'joining' | 'joined' | 'failed' | 'left';

/**
 * One member of a group: what it owns, and the calls to its listener in the order that the port promises.
 * The group tells it what to keep and what to own; it never decides that itself.
 */
export class EmbeddedGroupMember implements GroupMember {
  private readonly owned = new Map<string, OwnedPartition>();
  private readonly paused = new Set<string>();
  private rejoin: NodeJS.Timeout | undefined;
  private state: MemberState = 'joining';

  constructor(
    readonly options: GroupOptions,
    private readonly view: LogView,
    private readonly commits: CommittedOffsets,
    private readonly onLeave: (member: EmbeddedGroupMember) => Promise<void>,
  ) {}

  assignment(): readonly TopicPartition[] {
    return [...this.owned.values()].map(({ topic, partition }) => ({ topic, partition }));
  }

  async commit(offsets: readonly OffsetCommit[]): Promise<void> {
    const accepted = offsets.filter((offset) => this.owned.has(nameOf(offset)));
    for (const { topic, partition, offset, metadata = '' } of accepted) {
      if (metadata.length > METADATA_CHARS_MAX) throw new MessagingError('metadata_too_large', `${metadata.length} characters`, false);
      const { endOffset } = this.view.partition(topic, partition);
      if (offset > endOffset)
        throw new MessagingError('offset_out_of_range', `${topic}[${partition}] ends at ${endOffset}, not ${offset}`, false);
    }
    await this.commits.commit(this.options.group, accepted);
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) {
      if (!this.owned.has(nameOf(partition))) continue;
      this.paused.add(nameOf(partition));
      this.owned.get(nameOf(partition))?.feed?.hold('paused');
    }
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) {
      this.paused.delete(nameOf(partition));
      this.owned.get(nameOf(partition))?.feed?.release('paused');
    }
  }

  healthy(): boolean {
    return this.state === 'joined' && this.view.readable;
  }

  /** The group lives in this process: both are paused together. */
  mayStart(): boolean {
    return true;
  }

  leave(): Promise<void> {
    return this.onLeave(this);
  }

  /** Delivers nothing more of what is not in `partitions`, lets the listener finish and commit it for at most its drain time, and gives it up. */
  async keepOnly(partitions: readonly TopicPartition[]): Promise<void> {
    const kept = new Set(partitions.map(nameOf));
    const going = [...this.owned.values()].filter((partition) => !kept.has(nameOf(partition)));
    if (going.length === 0) return;
    for (const partition of going) {
      partition.isGoing = true;
      partition.feed?.hold('going');
    }
    let timer: NodeJS.Timeout | undefined;
    const drainTimeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.options.drainTimeoutMs);
    });
    const drained = this.options.listener.revoking(going.map(({ topic, partition }) => ({ topic, partition })));
    await Promise.race([drained.catch((error: unknown) => this.report(error)), drainTimeout]);
    clearTimeout(timer);
    // By name: a member that failed meanwhile has taken them again.
    this.forget([...this.owned.values()].filter((partition) => !kept.has(nameOf(partition))));
  }

  own(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) {
      if (!this.owned.has(nameOf(partition))) this.owned.set(nameOf(partition), newlyOwned(partition));
    }
    clearTimeout(this.rejoin);
    this.admitWaiting();
  }

  /** Out of the group for good. */
  depart(): void {
    clearTimeout(this.rejoin);
    this.state = 'left';
    this.forget([...this.owned.values()]);
  }

  /** The process does not own the log any more. */
  expel(error: Error): void {
    this.depart();
    this.options.listener.failed(error);
  }

  private admitWaiting(): void {
    const waiting = [...this.owned.values()].filter(({ feed, admitting }) => feed === null && !admitting);
    void this.admit(waiting);
  }

  private async admit(partitions: readonly OwnedPartition[]): Promise<void> {
    for (const partition of partitions) partition.admitting = true;
    try {
      const starts = partitions.map((partition) => this.startOf(partition));
      await this.options.listener.assigned(starts);
      if (this.state === 'left') return;
      this.state = 'joined';
      partitions.forEach((partition, index) => this.feed(partition, starts[index]?.committedOffset ?? 0));
    } catch (error) {
      this.fail(error, partitions);
    }
  }

  private feed(owned: OwnedPartition, fromOffset: number): void {
    // It may have been lost, or lost and taken again, while `assigned` ran.
    if (this.owned.get(nameOf(owned)) !== owned || owned.isGoing) return;
    const { topic, partition } = owned;
    owned.admitting = false;
    owned.feed = new PartitionFeed(this.view, this.view.partition(topic, partition), fromOffset, {
      deliver: (records) => {
        if (records.length > 0) this.options.listener.records(topic, partition, records);
      },
      failed: (error) => this.fail(error, [...this.owned.values()]),
    });
    if (this.paused.has(nameOf(owned))) owned.feed.hold('paused');
    owned.feed.pump();
  }

  private startOf({ topic, partition }: TopicPartition): AssignedPartition {
    const { startOffset, endOffset } = this.view.partition(topic, partition);
    const commit = this.commits.of(this.options.group, topic, partition);
    const missing = commit === null && startOffset > 0 && this.commits.knows(this.options.group, topic);
    const outOfRange = commit !== null && (commit.offset < startOffset || commit.offset > endOffset);
    if (!missing && !outOfRange) return { topic, partition, committedOffset: commit?.offset ?? null, metadata: commit?.metadata ?? '' };
    if (this.options.onOffsetOutOfRange === 'earliest') return { topic, partition, committedOffset: startOffset, metadata: '' };
    const committed = commit === null ? 'nothing' : String(commit.offset);
    const message = `${this.options.group} committed ${committed} of ${topic}[${partition}], which holds ${startOffset} to ${endOffset}`;
    throw new MessagingError('offset_out_of_range', message, false);
  }

  /** Lets go of these partitions and takes them again a little later, from what is committed then. */
  private fail(error: unknown, partitions: readonly OwnedPartition[]): void {
    if (this.state === 'left') return;
    this.state = 'failed';
    this.report(error);
    const still = partitions.filter((partition) => this.owned.get(nameOf(partition)) === partition);
    this.forget(still);
    for (const partition of still) this.owned.set(nameOf(partition), newlyOwned(partition));
    this.rejoin = setTimeout(() => this.admitWaiting(), REJOIN_DELAY_MS);
  }

  private report(error: unknown): void {
    this.options.listener.failed(error instanceof Error ? error : new Error(String(error)));
  }

  private forget(partitions: readonly OwnedPartition[]): void {
    if (partitions.length === 0) return;
    for (const partition of partitions) {
      partition.feed?.stop();
      this.owned.delete(nameOf(partition));
      this.paused.delete(nameOf(partition));
    }
    try {
      this.options.listener.lost(partitions.map(({ topic, partition }) => ({ topic, partition })));
    } catch (error) {
      // The partitions are gone whatever the listener says, and the other members wait for theirs.
      this.report(error);
    }
  }
}
