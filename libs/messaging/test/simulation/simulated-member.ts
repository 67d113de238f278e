import { MessagingError } from '../../src/errors.js';
import type { AssignedPartition, GroupMember, GroupOptions, OffsetCommit, TopicPartition } from '../../src/log.js';
import type { Faults, Scenario } from './scenario.js';
import { type Joined, type Refusal, SESSION_TIMEOUT_MS, type SimulatedCoordinator } from './simulated-coordinator.js';
import { SimulatedNetwork } from './simulated-network.js';
import type { SimulatedProcess } from './simulated-process.js';
import { nameOf, type SimulatedTopics } from './simulated-topics.js';
import type { Referee } from './referee.js';
import type { Tally } from './tally.js';
import type { VirtualTime } from './virtual-time.js';

const HEARTBEAT_MS = 300;
const JOIN_TIMEOUT_MS = 6_000;

export interface Cluster {
  readonly time: VirtualTime;
  readonly topics: SimulatedTopics;
  readonly coordinator: SimulatedCoordinator;
  readonly referee: Referee;
  readonly scenario: Scenario;
  readonly faults: () => Faults;
  readonly tally: Tally;
  readonly tell: (text: string) => void;
  /** Records came to the engine of this process. */
  readonly delivered: () => void;
}

interface Ownership extends TopicPartition {
  position: number;
  isPaused: boolean;
  isFed: boolean;
  /** It is about to go: what will have happened then. */
  going: Promise<void> | null;
}

type Leaving = 'no' | 'asked' | 'gone';

/**
 * A member as the log port promises it: goes on while it joins, lets go of what is to be another's and joins again, keeps the positions of partitions that
 * stay when it missed no generation, loses everything when it fell out, and delivers nothing of a partition before the listener is ready for it.
 */
export class SimulatedMember implements GroupMember {
  readonly #owned = new Map<string, Ownership>();
  readonly #network: SimulatedNetwork;
  readonly #memberId: string;
  #generation = -1;
  #isJoined = false;
  /** On the clock of the process: its session lasts at least from then. */
  #heardOfMs = -Infinity;
  /** What the last assignment gives to this member. */
  #assigned: ReadonlySet<string> = new Set();
  /** Others wait for what it let go of since its last join began. */
  #isAwaited = false;
  #fetchIsDue = false;
  #leaving: Leaving = 'no';
  #wake: () => void = () => {};
  readonly #ended: Promise<void>;

  constructor(
    private readonly cluster: Cluster,
    private readonly process: SimulatedProcess,
    private readonly options: GroupOptions,
  ) {
    this.#memberId = process.name;
    this.#network = new SimulatedNetwork(process, cluster.time, cluster.faults, cluster.tally);
    cluster.topics.appended.add(this.#fetchSoon);
    this.#ended = this.#live();
  }

  assignment(): readonly TopicPartition[] {
    return [...this.#owned.values()].map(({ topic, partition }) => ({ topic, partition }));
  }

  async commit(offsets: readonly OffsetCommit[]): Promise<void> {
    if (this.process.isDead) return new Promise(() => {});
    const { cluster } = this;
    cluster.referee.commits(this.process, offsets);
    const owned = offsets.filter((offset) => this.#owned.has(nameOf(offset)));
    if (owned.length === 0) return;
    if (!this.#isJoined) {
      cluster.referee.commitFailed(this.process);
      throw new MessagingError('rebalancing', 'joining', true);
    }
    const generation = this.#generation;
    try {
      const refusal = await this.#network.ask<Refusal | null>((answer) => {
        if (this.process.chance.hits(cluster.faults().commitRefused)) {
          cluster.tally.count('commitsRefused');
          return answer('unavailable');
        }
        const refused = cluster.coordinator.commit(this.#memberId, generation, owned);
        if (refused === null) cluster.referee.committed(this.process, owned);
        answer(refused);
      });
      if (refusal !== null) throw new MessagingError(refusal, refusal, true);
    } catch (error) {
      cluster.referee.commitFailed(this.process);
      throw error;
    }
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.cluster.tally.count('held', partitions.length);
    for (const each of partitions) this.#set(each, true);
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const each of partitions) this.#set(each, false);
    this.#fetchSoon();
  }

  healthy(): boolean {
    return this.#isJoined && this.#leaving === 'no';
  }

  mayStart(): boolean {
    return this.process.nowMs() - this.#heardOfMs < SESSION_TIMEOUT_MS;
  }

  async leave(): Promise<void> {
    if (this.#leaving === 'no') this.#leaving = 'asked';
    this.#wake();
    await this.#ended;
  }

  #set(of: TopicPartition, isPaused: boolean): void {
    const owned = this.#owned.get(nameOf(of));
    if (owned !== undefined) owned.isPaused = isPaused;
  }

  async #live(): Promise<void> {
    const { chance } = this.process;
    while (this.#leaving === 'no') {
      try {
        await this.#join();
        await this.#stay();
      } catch (error) {
        this.#fallOut(error as Error);
        await this.process.wait(chance.between(50, 400));
      }
    }
    let isGone = false;
    this.#beatUntil(() => isGone);
    await this.#letGo([...this.#owned.values()]);
    isGone = true;
    this.#isJoined = false;
    await this.#network.ask<null>((answer) => answer((this.cluster.coordinator.leave(this.#memberId), null))).catch(() => null);
    this.#leaving = 'gone';
    this.cluster.topics.appended.delete(this.#fetchSoon);
    this.#lose([...this.#owned.values()]);
  }

  async #join(): Promise<void> {
    const { topics } = this.options;
    const [owned, ownedIn] = [this.assignment(), this.#generation];
    const { coordinator } = this.cluster;
    this.#isAwaited = false;
    let isOver = false;
    this.#beatUntil(() => isOver);
    const { generation, partitions, atMs } = await this.#network
      .ask<Joined>((answer) => coordinator.join(this.#memberId, topics, owned, ownedIn, answer), JOIN_TIMEOUT_MS)
      .finally(() => (isOver = true));
    const isConsecutive = generation === ownedIn + 1;
    this.#assigned = new Set(partitions.map(nameOf));
    const gone = [...this.#owned.values()].filter((each) => !this.#assigned.has(nameOf(each)));
    if (!isConsecutive) this.#lose([...this.#owned.values()]);
    this.#generation = generation;
    this.#heardOf(atMs);
    this.#isJoined = true;
    this.cluster.referee.rejoined(this.process);
    if (isConsecutive) void this.#letGo(gone);
    else if (gone.length > 0) this.#isAwaited = true;
    for (const kept of this.#owned.values()) if (this.process.chance.hits(this.cluster.faults().deliveredAgain)) this.#rewind(kept);
    this.#own(partitions.filter((each) => !this.#owned.has(nameOf(each))));
  }

  #own(partitions: readonly TopicPartition[]): void {
    const begun = partitions.map((each) => ({ ...each, position: 0, isPaused: false, isFed: false, going: null }));
    for (const each of begun) this.#owned.set(nameOf(each), each);
    void this.#begin(begun);
    this.#fetchSoon();
  }

  async #begin(added: readonly Ownership[]): Promise<void> {
    const isOwned = (each: Ownership): boolean => this.#owned.get(nameOf(each)) === each && each.going === null;
    let committed: readonly AssignedPartition[] | null = null;
    while (committed === null && added.some(isOwned)) {
      committed = await this.#network
        .ask<readonly AssignedPartition[]>((answer) => answer(added.map((each) => this.#committedOf(each))))
        .catch(() => null);
    }
    if (added.length > 0 && !added.some(isOwned)) return;
    const beginnings = (committed ?? []).filter((_, i) => isOwned(added[i]!));
    this.cluster.referee.assigned(this.process, beginnings, added.filter(isOwned));
    await this.options.listener.assigned(beginnings);
    for (const each of added.filter(isOwned)) each.isFed = true;
    this.#fetchSoon();
  }

  #committedOf(each: Ownership): AssignedPartition {
    const { topic, partition } = each;
    const { chance } = this.process;
    const known = this.cluster.coordinator.committed.get(nameOf(each));
    each.position = known?.offset ?? this.cluster.topics.partition(each).startOffset;
    let metadata = known?.metadata ?? '';
    if (chance.hits(this.cluster.faults().metadataGarbled)) {
      this.cluster.tally.count('metadataGarbled');
      metadata = this.#garbled(metadata);
    }
    const told = { topic, partition, committedOffset: known?.offset ?? null, metadata };
    this.cluster.referee.readBack(told);
    return told;
  }

  /** Cut off, of another partition, longer than it may be, or with a changed bit. */
  #garbled(metadata: string): string {
    const { chance } = this.process;
    const others = [...this.cluster.coordinator.committed.values()].map((other) => other.metadata);
    const bytes = Buffer.from(metadata, 'base64');
    if (bytes.length > 3) bytes[chance.between(0, bytes.length - 1)]! ^= 1 << chance.between(0, 7);
    const garbled = chance.oneOf([
      metadata.slice(0, -3),
      chance.oneOf(['', ...others]),
      metadata.padEnd(5_000, 'A'),
      bytes.toString('base64'),
    ]);
    return garbled === metadata ? '' : garbled;
  }

  async #stay(): Promise<void> {
    const { coordinator } = this.cluster;
    while (this.#leaving === 'no' && !this.#isAwaited) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.process.after(HEARTBEAT_MS, resolve);
      });
      if (this.#leaving !== 'no' || this.#isAwaited) return;
      const askedMs = this.cluster.time.nowMs;
      const refusal = await this.#network
        .ask<Refusal | null>((answer) => answer(coordinator.heartbeat(this.#memberId, this.#generation)))
        .catch(() => 'unknown' as const);
      if (refusal === 'expelled') throw new Error('expelled');
      if (refusal === 'rebalancing') return;
      if (refusal === null) this.#heardOf(askedMs);
      else if (!this.mayStart()) throw new Error('no heartbeat was answered');
    }
  }

  #heardOf(atMs: number): void {
    this.#heardOfMs = this.process.nowMs() - (this.cluster.time.nowMs - atMs);
    this.cluster.referee.inSession(this.process, atMs);
  }

  /** Its session goes on while it waits for others. */
  #beatUntil(isOver: () => boolean): void {
    const beat = (): void => {
      if (isOver()) return;
      const askedMs = this.cluster.time.nowMs;
      this.#network
        .ask<Refusal | null>((answer) => answer(this.cluster.coordinator.heartbeat(this.#memberId, this.#generation)))
        .then((refusal) => {
          if (!isOver() && refusal !== 'expelled' && refusal !== 'unavailable') this.#heardOf(askedMs);
        })
        .catch(() => null);
      this.process.after(HEARTBEAT_MS, beat);
    };
    beat();
  }

  async #letGo(partitions: readonly Ownership[]): Promise<void> {
    const staying = partitions.filter(({ going }) => going === null);
    const gone = this.#revoke(staying);
    for (const each of staying) each.going = gone;
    await Promise.all(partitions.flatMap(({ going }) => going ?? []));
  }

  async #revoke(going: readonly Ownership[]): Promise<void> {
    if (going.length === 0) return;
    const { drainTimeoutMs, listener } = this.options;
    let isOver = false;
    const left = (): Ownership[] => going.filter((each) => this.#owned.get(nameOf(each)) === each);
    this.cluster.referee.revoking(this.process, going);
    const revoked = listener.revoking(going.map(({ topic, partition }) => ({ topic, partition }))).then(() => {
      if (!isOver) this.cluster.referee.drained(this.process, left());
    });
    const isDrained = await Promise.race([revoked.then(() => true), this.process.wait(drainTimeoutMs).then(() => false)]);
    if (!isDrained) this.cluster.tally.count('drainsOver');
    isOver = true;
    const still = left();
    this.#lose(still);
    if (this.#leaving !== 'no') return;
    const back = still.filter((each) => this.#assigned.has(nameOf(each)));
    if (back.length > 0) this.#own(back.map(({ topic, partition }) => ({ topic, partition })));
    if (back.length === still.length) return;
    this.#isAwaited = true;
    this.#wake();
  }

  #fallOut(error: Error): void {
    this.cluster.tell(`${this.#memberId}: fell out, ${error.message}`);
    this.#isJoined = false;
    this.#generation = -1;
    this.cluster.referee.fellOut(this.process);
    this.#lose([...this.#owned.values()]);
    if (this.#leaving === 'no') this.options.listener.failed(error);
  }

  #lose(gone: readonly Ownership[]): void {
    if (gone.length === 0) return;
    for (const each of gone) this.#owned.delete(nameOf(each));
    this.cluster.referee.lost(this.process, gone);
    this.options.listener.lost(gone.map(({ topic, partition }) => ({ topic, partition })));
  }

  readonly #fetchSoon = (): void => {
    if (this.#fetchIsDue) return;
    this.#fetchIsDue = true;
    this.process.after(this.process.chance.between(1, 10), () => {
      this.#fetchIsDue = false;
      this.#fetch();
    });
  };

  #fetch(): void {
    const { topics, scenario, faults } = this.cluster;
    let more = false;
    for (const owned of [...this.#owned.values()]) {
      if (owned.isPaused || !owned.isFed || owned.going !== null || this.#owned.get(nameOf(owned)) !== owned) continue;
      const { startOffset } = topics.partition(owned);
      if (owned.position < startOffset) {
        this.cluster.referee.skipped(owned, owned.position, startOffset);
        owned.position = startOffset;
      }
      const records = topics.read(owned, owned.position, this.process.chance.between(1, scenario.fetchMax));
      if (records.length === 0) continue;
      more = true;
      owned.position = records.at(-1)!.offset + 1;
      if (this.process.chance.hits(faults().deliveredAgain / 4)) this.#rewind(owned);
      this.options.listener.records(owned.topic, owned.partition, records);
      this.cluster.delivered();
    }
    if (more) this.#fetchSoon();
  }

  /** What some clients do after a rebalance: they read on from what is committed, and so deliver again. */
  #rewind(owned: Ownership): void {
    const committed = this.cluster.coordinator.committed.get(nameOf(owned))?.offset;
    if (committed === undefined || committed >= owned.position) return;
    this.cluster.tally.count('deliveredAgain');
    owned.position = committed;
  }
}
