import { MessagingError } from '../errors.js';
import type { GroupListener, GroupMember, GroupOptions, OffsetCommit, TopicPartition } from '../log.js';
import { keyOf } from '../topic-partition.js';
import { BackOff, within } from './waiting.js';
import type { Connection } from './connection.js';
import { FetchLoop } from './fetch-loop.js';
import { type Beginning, GroupOffsets } from './group-offsets.js';
import { GroupCoordinator, isExpulsion, isRebalance, typeOf } from './group-coordinator.js';
import { Heart } from './heart.js';
import { EARLIEST, listOffsets } from './offsets.js';

/** What rejoining takes beside the drain of members that drain before it: noticing it at a heartbeat, a busy event loop, the journey. */
const REJOIN_MARGIN_MS = 15_000;
/** Leaving while a join is under way or the coordinator is away must not hold up a shutdown for longer than twice this. */
const LEAVE_MARGIN_MS = 1_500;

/**
 * One member of a consumer group, on the classic group protocol, rejoining cooperatively:
 *
 *   join ── assignment ──> joined ── the group gathers, or what goes to others was let go of ──> join …
 *     ^                       │
 *     └──── back-off <── fallen out (expelled, silent for a session, a listener that failed) ──> `lost` and `failed`
 *
 * A join says what the member owns, and changes nothing by itself: all that it owns goes on, commits and heartbeats too. An assignment without
 * a partition that it owns is the request to let go of it (`revoking`, then `lost`); with the next join, which follows at once, it is
 * another's. So only what moves stands still, for as long as its own calls take. Partitions that stay are read on where they were,
 * provided that no generation was missed; all others begin at what is committed, and nothing of them is delivered before the
 * listener is ready.
 *
 * Under a leader of an earlier release, which hands over at once, everything is let go of before the join.
 */
export class KafkaGroupMember implements GroupMember {
  readonly #coordinator: GroupCoordinator;
  readonly #offsets: GroupOffsets;
  readonly #loop: FetchLoop;
  /** The identity of an entry stands for one ownership: work begun in an earlier one is dropped by comparing it. */
  readonly #owned = new Map<string, TopicPartition>();
  readonly #paused = new Set<string>();
  /** Their committed offset is gone and the group may not jump. */
  readonly #stopped = new Set<string>();
  /** About to go to others, and what will have happened then. */
  readonly #going = new Map<TopicPartition, Promise<void>>();
  readonly #leaving = new AbortController();
  readonly #running: Promise<void>;
  /** What the last assignment gives to this member. */
  #assigned: ReadonlySet<string> = new Set();
  /** Others wait for what it let go of since its last join began. */
  #isAwaited = false;
  /** Ends a stay. */
  #call: () => void = () => {};
  /** The last leader gave nothing to anybody before its owner had let go of it. */
  #transfersWait = true;
  #joining: Promise<void> | null = null;
  #heart: Heart | null = null;
  #told = false;
  #left: Promise<void> | undefined;

  constructor(
    private readonly connection: Connection,
    private readonly joins: Connection,
    private readonly options: GroupOptions,
  ) {
    const { settings } = connection;
    this.#coordinator = new GroupCoordinator(
      connection,
      joins,
      connection.physical(options.group),
      options.topics.map((topic) => connection.physical(topic)),
      options.coPartitioned,
      { sessionTimeoutMs: settings.sessionTimeoutMs, rebalanceTimeoutMs: options.drainTimeoutMs + REJOIN_MARGIN_MS },
    );
    this.#offsets = new GroupOffsets(connection, this.#coordinator, options, (own, reason) => this.#stop(own, reason));
    this.#loop = new FetchLoop(connection, {
      records: (topic, partition, records) => options.listener.records(topic, partition, records),
      outOfRange: (topic, partition, offset) => this.#outOfRange(topic, partition, offset),
    });
    this.#running = this.#run();
  }

  assignment(): readonly TopicPartition[] {
    return [...this.#owned.values()];
  }

  commit(offsets: readonly OffsetCommit[]): Promise<void> {
    return this.#commit(offsets, new Map(this.#owned));
  }

  async #commit(offsets: readonly OffsetCommit[], ownedThen: ReadonlyMap<string, TopicPartition>): Promise<void> {
    const isStillOwned = (offset: OffsetCommit): boolean => {
      const own = this.#owned.get(keyOf(offset));
      return own !== undefined && own === ownedThen.get(keyOf(offset));
    };
    const owned = offsets.filter(isStillOwned);
    if (owned.length === 0) return;
    if (!this.#coordinator.joined)
      throw new MessagingError('rebalancing', `${this.options.group} is joining, nothing can be committed`, true);
    try {
      await this.#coordinator.commit(owned.map((offset) => ({ ...offset, topic: this.connection.physical(offset.topic) })));
    } catch (error) {
      // The next generation has begun for the group, and in a moment for this member.
      if (this.#joining !== null && (isRebalance(error) || isExpulsion(error)))
        return this.#joining.then(() => this.#commit(owned, ownedThen));
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
    this.#call();
    // At once: a join under way may wait for others for longer than there is time.
    await this.#letGo(this.assignment());
    await within(this.#running, LEAVE_MARGIN_MS);
    // Such a join is given up, so that the group is told and nobody waits for a session that nobody has.
    await this.joins.close();
    await within(this.#running, LEAVE_MARGIN_MS);
    this.#heart?.stop();
    this.#heart = null;
    this.#lose(this.assignment());
    await Promise.all([this.connection.close(), this.#loop.close()]);
  }

  async #run(): Promise<void> {
    const { signal } = this.#leaving;
    const backOff = new BackOff(250, 2_000);
    while (!signal.aborted) {
      try {
        if (!this.#told) await this.#offsets.settleStart();
        await this.#join();
        backOff.reset();
        await this.#stay();
      } catch (error) {
        if (isRebalance(error)) continue;
        // A join that failed has changed nothing.
        if (this.#heart?.isInSession === true && !isExpulsion(error)) await this.joins.failed(error);
        else await this.#fallOut(error);
        // The coordinator is there and only forgot this member, which may come back as a new one.
        if (isExpulsion(error)) backOff.reset();
        await backOff.wait(signal);
      }
    }
    try {
      const letGo = this.#letGo(this.assignment());
      await (this.#heart === null ? letGo : Promise.race([letGo, this.#heart.end]));
    } catch (error) {
      await this.#fallOut(error);
    }
    await within(
      this.#coordinator.leave().catch(() => undefined),
      LEAVE_MARGIN_MS,
    );
  }

  #join(): Promise<void> {
    const joining = this.#joinNow().finally(() => (this.#joining = null));
    this.#joining = joining.catch(() => undefined);
    void this.#heart?.end.catch((error) => {
      // The group went on a session ago or without this member: what it answered is lost on a connection that only seems open.
      if (isExpulsion(error) && this.#joining !== null) this.joins.cut(new Error('no answer came to a join'));
    });
    return joining;
  }

  async #joinNow(): Promise<void> {
    const owned = this.assignment().map(({ topic, partition }) => ({ topic: this.connection.physical(topic), partition }));
    if (!this.#transfersWait) {
      this.#assigned = new Set();
      await this.#letGo(this.assignment());
    }
    this.#isAwaited = false;
    const { partitions, consecutive, transfersWait, atMs } = await this.#coordinator.join(owned, this.#transfersWait);
    const { heartbeatIntervalMs, sessionTimeoutMs } = this.connection.settings;
    const rhythm = { intervalMs: heartbeatIntervalMs, sessionTimeoutMs };
    this.#heart?.stop();
    this.#heart = new Heart(this.#coordinator, rhythm, atMs, (error) => this.connection.failed(error));
    this.#told = true;
    this.#transfersWait = transfersWait;

    const assigned = partitions.map(({ topic, partition }) => ({ topic: this.connection.logical(topic), partition }));
    this.#assigned = new Set(assigned.map(keyOf));
    const gone = this.assignment().filter((own) => !this.#assigned.has(keyOf(own)));
    if (!consecutive) this.#lose(this.assignment());
    else if (!transfersWait) this.#lose(gone);
    else void this.#letGo(gone);
    if (gone.length > 0 && !consecutive) this.#isAwaited = true;
    this.#own(assigned.filter((own) => !this.#owned.has(keyOf(own))));
  }

  #own(partitions: readonly TopicPartition[]): void {
    for (const own of partitions) this.#owned.set(keyOf(own), own);
    void this.#begin(partitions);
  }

  /** Until the group gathers anew, others wait for this member or it leaves; rejects when the membership is over. */
  async #stay(): Promise<void> {
    const called = new Promise<void>((resolve) => {
      this.#call = resolve;
      if (this.#isAwaited || this.#leaving.signal.aborted) resolve();
    });
    await Promise.race([this.#heart!.rebalance, this.#heart!.end, called]);
  }

  /** The listener finishes and commits, for at most its drain time; then they are lost, and others may have them. */
  async #letGo(partitions: readonly TopicPartition[]): Promise<void> {
    const staying = partitions.filter((own) => !this.#going.has(own));
    const gone = this.#revoke(staying);
    for (const own of staying) this.#going.set(own, gone);
    await Promise.all(partitions.flatMap((own) => this.#going.get(own) ?? []));
  }

  async #revoke(going: readonly TopicPartition[]): Promise<void> {
    if (going.length === 0) return;
    const { listener, drainTimeoutMs, group } = this.options;
    for (const { topic, partition } of going) this.#loop.remove(topic, partition);
    const revoked = listener.revoking(going).catch((error: unknown) => {
      this.connection.settings.log('error', `${group} could not drain`, { error: String(error) });
    });
    await within(revoked, drainTimeoutMs);
    const still = going.filter((own) => this.#owned.get(keyOf(own)) === own);
    for (const own of going) this.#going.delete(own);
    this.#lose(still);
    if (still.length === 0 || this.#leaving.signal.aborted) return;
    const [back, gone] = [still.filter((own) => this.#assigned.has(keyOf(own))), still.filter((own) => !this.#assigned.has(keyOf(own)))];
    // Given back meanwhile.
    if (back.length > 0) this.#own(back.map((own) => ({ ...own })));
    if (gone.length === 0) return;
    this.#isAwaited = true;
    this.#call();
  }

  async #fallOut(error: unknown): Promise<void> {
    this.#heart?.stop();
    this.#heart = null;
    this.#coordinator.fallenOut(error);
    this.#lose(this.assignment());
    if (this.#leaving.signal.aborted) return;
    if (this.#told) this.#tell((listener) => listener.failed(error instanceof Error ? error : new Error(String(error))));
    this.#told = false;
    await Promise.all([this.connection.failed(error), this.joins.refresh()]);
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
  async #begin(partitions: readonly TopicPartition[]): Promise<void> {
    const stillOwned = (own: TopicPartition): boolean =>
      partitions.some((each) => keyOf(each) === keyOf(own) && this.#owned.get(keyOf(own)) === each && !this.#going.has(each));
    try {
      const beginnings = (await this.#beginnings(partitions, stillOwned)).filter(stillOwned);
      await this.options.listener.assigned(
        beginnings.map(({ topic, partition, committedOffset, metadata }) => ({ topic, partition, committedOffset, metadata })),
      );
      const begun = beginnings.filter(stillOwned);
      this.#loop.add(begun.map(({ topic, partition, startOffset }) => ({ topic, partition, nextOffset: startOffset })));
      for (const own of begun) if (this.#paused.has(keyOf(own))) this.#loop.pause(own.topic, own.partition);
    } catch (error) {
      await this.#joining;
      if (partitions.length === 0 || partitions.some(stillOwned)) this.#heart?.fail(error);
    }
  }

  async #beginnings(partitions: readonly TopicPartition[], stillOwned: (own: TopicPartition) => boolean): Promise<readonly Beginning[]> {
    const backOff = new BackOff();
    for (;;) {
      try {
        return await this.#offsets.beginningsOf(partitions);
      } catch (error) {
        if (this.#leaving.signal.aborted || !partitions.some(stillOwned)) return [];
        await this.connection.failed(error);
        await backOff.wait(this.#leaving.signal);
      }
    }
  }

  async #outOfRange(topic: string, partition: number, offset: number): Promise<number | null> {
    if (this.options.onOffsetOutOfRange === 'stop') {
      this.#stop({ topic, partition }, `offset ${offset} is not in the log any more`);
      return null;
    }
    const earliest = (await listOffsets(this.connection, topic, EARLIEST, [partition])).get(partition) ?? 0;
    const text = `${this.options.group} finds offset ${offset} of ${topic}[${partition}] gone, reading on at ${earliest}`;
    this.connection.settings.log('warn', text, {});
    if (earliest > offset) return earliest;
    // Back to before what the listener knows as completed: only a new assignment from there can tell it.
    await this.commit([{ topic, partition, offset: earliest }]);
    await this.#joining;
    this.#heart?.fail(new MessagingError('offset_out_of_range', text, true));
    return null;
  }

  #stop({ topic, partition }: TopicPartition, reason: string): void {
    this.#stopped.add(keyOf({ topic, partition }));
    const text = `${this.options.group} stopped at ${topic}[${partition}]: ${reason}; set the group's offset, then start it anew`;
    this.connection.settings.log('error', text, {});
    this.connection.partitionFails(topic, partition, new Error(text));
    this.options.listener.failed(new MessagingError('offset_out_of_range', text, false));
  }
}
