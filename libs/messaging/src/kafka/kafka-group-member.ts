import { Gate } from '../consumer/gate.js';
import { MessagingError } from '../errors.js';
import type { AssignedPartition, GroupListener, GroupMember, GroupOptions, OffsetCommit, TopicPartition } from '../log.js';
import { BackOff, within } from './waiting.js';
import type { Connection } from './connection.js';
import { FetchLoop } from './fetch-loop.js';
import { GroupCoordinator, isExpulsion, isRebalance, typeOf } from './group-coordinator.js';
import { Heart } from './heart.js';
import { EARLIEST, listOffsets } from './offsets.js';

/** What rejoining takes beside the drain: noticing it at a heartbeat, a busy event loop, the journey. */
const REJOIN_MARGIN_MS = 15_000;
/** Leaving while a join is under way or the coordinator is away must not hold up a shutdown. */
const LEAVE_MARGIN_MS = 3_000;

interface Beginning extends AssignedPartition {
  readonly startOffset: number;
}

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;

/**
 * One member of a consumer group, on the classic group protocol:
 *
 *   join ── assignment ──> joined ── the group gathers ──> draining ──> join …
 *     ^                       │                               │
 *     └──── back-off <── fallen out (expelled, silent for a session, a listener that failed) ──> `lost` and `failed`
 *
 * While it drains the broker still accepts commits of its generation, and the heart goes on beating. Partitions that stay are read on
 * where they were, provided that no generation was missed; all others begin at what is committed. Nothing is delivered from
 * the beginning of a drain to the end of the join, and nothing of a new partition before the listener is ready for it.
 */
export class KafkaGroupMember implements GroupMember {
  readonly #coordinator: GroupCoordinator;
  readonly #loop: FetchLoop;
  /** The identity of an entry stands for one ownership: work begun in an earlier one is dropped by comparing it. */
  readonly #owned = new Map<string, TopicPartition>();
  readonly #paused = new Set<string>();
  /** Their committed offset is gone and the group may not jump. */
  readonly #stopped = new Set<string>();
  readonly #leaving = new AbortController();
  readonly #running: Promise<void>;
  /** Closed from the beginning of a drain to the end of the join. */
  readonly #settled = new Gate();
  #heart: Heart | null = null;
  #told = false;
  #left: Promise<void> | undefined;

  constructor(
    private readonly connection: Connection,
    private readonly options: GroupOptions,
  ) {
    const { settings } = connection;
    this.#coordinator = new GroupCoordinator(
      connection,
      connection.physical(options.group),
      options.topics.map((topic) => connection.physical(topic)),
      options.coPartitioned,
      { sessionTimeoutMs: settings.sessionTimeoutMs, rebalanceTimeoutMs: options.drainTimeoutMs + REJOIN_MARGIN_MS },
    );
    this.#loop = new FetchLoop(connection, {
      records: (topic, partition, records) => options.listener.records(topic, partition, records),
      outOfRange: (topic, partition, offset) => this.#outOfRange(topic, partition, offset),
    });
    this.#running = this.#run();
  }

  assignment(): readonly TopicPartition[] {
    return [...this.#owned.values()];
  }

  async commit(offsets: readonly OffsetCommit[]): Promise<void> {
    const owned = offsets.filter((offset) => this.#owned.has(keyOf(offset)));
    if (owned.length === 0) return;
    if (!this.#coordinator.joined)
      throw new MessagingError('rebalancing', `${this.options.group} is joining, nothing can be committed`, true);
    try {
      await this.#coordinator.commit(owned.map((offset) => ({ ...offset, topic: this.connection.physical(offset.topic) })));
    } catch (error) {
      const code = typeOf(error)?.toLowerCase() ?? 'commit_failed';
      throw new MessagingError(code, `${this.options.group} could not commit: ${(error as Error).message}`, true, { cause: error });
    }
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const each of partitions) {
      if (!this.#owned.has(keyOf(each))) continue;
      this.#paused.add(keyOf(each));
      this.#loop.pause(each.topic, each.partition);
    }
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const each of partitions) {
      this.#paused.delete(keyOf(each));
      this.#loop.resume(each.topic, each.partition);
    }
  }

  healthy(): boolean {
    return this.#heart !== null && this.#stopped.size === 0 && !this.#leaving.signal.aborted;
  }

  mayStart(): boolean {
    return this.#heart?.isInSession === true;
  }

  leave(): Promise<void> {
    return (this.#left ??= this.#leave());
  }

  async #leave(): Promise<void> {
    this.#leaving.abort();
    await within(this.#running, this.options.drainTimeoutMs + LEAVE_MARGIN_MS);
    this.#heart?.stop();
    this.#heart = null;
    this.#lose(this.assignment());
    this.#settled.open();
    await Promise.all([this.connection.close(), this.#loop.close()]);
  }

  async #run(): Promise<void> {
    const { signal } = this.#leaving;
    const backOff = new BackOff(250, 2_000);
    while (!signal.aborted) {
      try {
        if (!this.#told) await this.#settleStart();
        await this.#join();
        backOff.reset();
        await this.#stay();
        await this.#drain();
        this.#heart?.stop();
      } catch (error) {
        if (isRebalance(error)) continue;
        await this.#fallOut(error);
        // The coordinator is there and only forgot this member, which may come back as a new one.
        if (isExpulsion(error)) backOff.reset();
        await backOff.wait(signal);
      }
    }
    await within(
      this.#coordinator.leave().catch(() => undefined),
      LEAVE_MARGIN_MS,
    );
  }

  async #join(): Promise<void> {
    const owned = this.assignment().map(({ topic, partition }) => ({ topic: this.connection.physical(topic), partition }));
    this.#heart = null;
    const { partitions, consecutive, atMs } = await this.#coordinator.join(owned);
    const { heartbeatIntervalMs, sessionTimeoutMs } = this.connection.settings;
    const rhythm = { intervalMs: heartbeatIntervalMs, sessionTimeoutMs };
    this.#heart = new Heart(this.#coordinator, rhythm, atMs, (error) => this.connection.failed(error));
    this.#told = true;

    const assigned = partitions.map(({ topic, partition }) => ({ topic: this.connection.logical(topic), partition }));
    const keys = new Set(assigned.map(keyOf));
    this.#lose(this.assignment().filter((own) => !consecutive || !keys.has(keyOf(own))));
    const added = assigned.filter((own) => !this.#owned.has(keyOf(own)));
    for (const own of added) this.#owned.set(keyOf(own), own);
    this.#loop.proceed();
    this.#settled.open();
    void this.#begin(added, this.#heart);
  }

  /** Until the group gathers anew or this member leaves; rejects when the membership is over. */
  async #stay(): Promise<void> {
    const { signal } = this.#leaving;
    const leaving = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([this.#heart!.rebalance, this.#heart!.end, leaving]);
  }

  async #drain(): Promise<void> {
    this.#loop.suspend();
    this.#settled.close();
    if (this.#owned.size === 0) return;
    const { listener, drainTimeoutMs, group } = this.options;
    const revoked = listener.revoking().catch((error: unknown) => {
      this.connection.settings.log('error', `${group} could not drain`, { error: String(error) });
    });
    await within(Promise.race([revoked, this.#heart!.end]), drainTimeoutMs);
  }

  async #fallOut(error: unknown): Promise<void> {
    this.#heart?.stop();
    this.#heart = null;
    this.#coordinator.fallenOut(error);
    this.#lose(this.assignment());
    if (this.#leaving.signal.aborted) return;
    if (this.#told) this.#tell((listener) => listener.failed(error instanceof Error ? error : new Error(String(error))));
    this.#told = false;
    await this.connection.failed(error);
  }

  #lose(partitions: readonly TopicPartition[]): void {
    for (const each of partitions) {
      for (const set of [this.#owned, this.#paused, this.#stopped]) set.delete(keyOf(each));
      this.#loop.remove(each.topic, each.partition);
    }
    if (partitions.length > 0) this.#tell((listener) => listener.lost(partitions));
  }

  /** Whatever a listener makes of what it is told, the member lives on. */
  #tell(say: (listener: GroupListener) => void): void {
    const { listener, group } = this.options;
    try {
      say(listener);
    } catch (error) {
      this.connection.settings.log('error', `${group} failed at what its member told it`, { error: String(error) });
    }
  }

  /** The listener gets ready for the partitions, then they are read; without any it learns that the join is over. Those that were kept go on. */
  async #begin(partitions: readonly TopicPartition[], heart: Heart): Promise<void> {
    const stillOwned = (own: TopicPartition): boolean =>
      partitions.some((each) => keyOf(each) === keyOf(own) && this.#owned.get(keyOf(own)) === each);
    try {
      const known = await this.#beginnings(partitions, stillOwned);
      // To the listener this is the end of a revoke, so it must not come in the middle of the next one.
      await this.#settled.passed();
      const beginnings = known.filter(stillOwned);
      await this.options.listener.assigned(
        beginnings.map(({ topic, partition, committedOffset, metadata }) => ({ topic, partition, committedOffset, metadata })),
      );
      const begun = beginnings.filter(stillOwned);
      this.#loop.add(begun.map(({ topic, partition, startOffset }) => ({ topic, partition, nextOffset: startOffset })));
      for (const own of begun) if (this.#paused.has(keyOf(own))) this.#loop.pause(own.topic, own.partition);
    } catch (error) {
      if (partitions.length === 0 || partitions.some(stillOwned)) heart.fail(error);
    }
  }

  async #beginnings(partitions: readonly TopicPartition[], stillOwned: (own: TopicPartition) => boolean): Promise<readonly Beginning[]> {
    const backOff = new BackOff();
    for (;;) {
      try {
        const topics = [...new Set(partitions.map(({ topic }) => topic))];
        return (await Promise.all(topics.map((topic) => this.#beginningsOf(topic, partitions.filter((own) => own.topic === topic))))).flat(); // prettier-ignore
      } catch (error) {
        if (this.#leaving.signal.aborted || !partitions.some(stillOwned)) return [];
        await this.connection.failed(error);
        await backOff.wait(this.#leaving.signal);
      }
    }
  }

  async #beginningsOf(topic: string, partitions: readonly TopicPartition[]): Promise<readonly Beginning[]> {
    const earliest = await listOffsets(this.connection, topic, EARLIEST);
    const committed = await this.#coordinator.committed(this.connection.physical(topic), [...earliest.keys()]);
    const known = [...committed.values()].some(({ offset }) => offset !== null);
    return partitions.flatMap(({ partition }) => {
      const { offset, metadata } = committed.get(partition) ?? { offset: null, metadata: '' };
      if (offset === null && known && this.options.onOffsetOutOfRange === 'stop') {
        this.#stop(topic, partition, 'the group committed elsewhere but has no offset here');
        return [];
      }
      return [{ topic, partition, committedOffset: offset, metadata, startOffset: offset ?? earliest.get(partition) ?? 0 }];
    });
  }

  async #outOfRange(topic: string, partition: number, offset: number): Promise<number | null> {
    if (this.options.onOffsetOutOfRange === 'stop') {
      this.#stop(topic, partition, `offset ${offset} is not in the log any more`);
      return null;
    }
    const earliest = (await listOffsets(this.connection, topic, EARLIEST, [partition])).get(partition) ?? 0;
    const text = `${this.options.group} finds offset ${offset} of ${topic}[${partition}] gone, reading on at ${earliest}`;
    this.connection.settings.log('warn', text, {});
    if (earliest > offset) return earliest;
    // Back to before what the listener knows as completed: only a new assignment from there can tell it.
    await this.commit([{ topic, partition, offset: earliest }]);
    this.#heart?.fail(new MessagingError('offset_out_of_range', text, true));
    return null;
  }

  #stop(topic: string, partition: number, reason: string): void {
    this.#stopped.add(keyOf({ topic, partition }));
    const text = `${this.options.group} stopped at ${topic}[${partition}]: ${reason}; set the group's offset, then start it anew`;
    this.connection.settings.log('error', text, {});
    this.connection.partitionFails(topic, partition, new Error(text));
    this.options.listener.failed(new MessagingError('offset_out_of_range', text, false));
  }

  /**
   * A group that may not jump writes down where it starts before anybody joins, so that a partition without an offset is a loss
   * later on and not one that never had a record.
   */
  async #settleStart(): Promise<void> {
    if (this.options.onOffsetOutOfRange !== 'stop') return;
    for (const topic of this.options.topics) {
      const earliest = await listOffsets(this.connection, topic, EARLIEST);
      const name = this.connection.physical(topic);
      const committed = await this.#coordinator.committed(name, [...earliest.keys()]);
      if ([...committed.values()].some(({ offset }) => offset !== null)) continue;
      const start = [...earliest].map(([partition, offset]) => ({ topic: name, partition, offset: offset ?? 0 }));
      await this.#coordinator.commitForEmptyGroup(start).catch((error: unknown) => {
        // Another member was quicker, and did the same before it joined.
        if (!isExpulsion(error) && !isRebalance(error)) throw error;
      });
    }
  }
}
