import { assign, type Subscriber, withoutTransfers } from '../../src/kafka/assigner.js';
import type { OffsetCommit, TopicPartition } from '../../src/log.js';
import { nameOf } from './simulated-topics.js';
import type { VirtualTime } from './virtual-time.js';

export const SESSION_TIMEOUT_MS = 2_000;
const REBALANCE_MARGIN_MS = 1_500;

export interface Joined {
  readonly generation: number;
  readonly partitions: readonly TopicPartition[];
  /** When the session begins. */
  readonly atMs: number;
}

interface Membership {
  readonly topics: readonly string[];
  owned: readonly TopicPartition[];
  ownedIn: number;
  lastSeenMs: number;
  /** How to answer its join; null while it has not asked to join the next generation. */
  answer: ((joined: Joined) => void) | null;
}

export type Refusal = 'expelled' | 'rebalancing' | 'unavailable';

/**
 * The broker's side of the classic group protocol: members gather, the generation counts up, the sticky assigner of the Kafka adapter
 * hands out partitions. Commits are taken from members of the present generation, also while the group gathers.
 */
export class SimulatedCoordinator {
  readonly committed = new Map<string, { readonly offset: number; readonly metadata: string }>();
  generation = 0;
  rebalances = 0;
  readonly #members = new Map<string, Membership>();
  #gathering: (() => void) | null = null;

  constructor(
    private readonly time: VirtualTime,
    private readonly partitions: ReadonlyMap<string, number>,
    private readonly drainTimeoutMs: number,
    private readonly tell: (text: string) => void,
    private readonly violated: (text: string) => void,
  ) {}

  get isGathering(): boolean {
    return this.#gathering !== null;
  }

  join(
    memberId: string,
    topics: readonly string[],
    owned: readonly TopicPartition[],
    ownedIn: number,
    answer: (joined: Joined) => void,
  ): void {
    const lastSeenMs = this.time.nowMs;
    const known = this.#members.get(memberId);
    if (known === undefined) {
      this.#members.set(memberId, { topics, owned, ownedIn, lastSeenMs, answer });
      this.#watch(memberId);
    } else Object.assign(known, { owned, ownedIn, lastSeenMs, answer });
    this.#gather();
    this.#completeIfAllCame();
  }

  heartbeat(memberId: string, generation: number): Refusal | null {
    const member = this.#members.get(memberId);
    if (member === undefined || generation !== this.generation) return 'expelled';
    member.lastSeenMs = this.time.nowMs;
    return this.#gathering === null ? null : 'rebalancing';
  }

  commit(memberId: string, generation: number, offsets: readonly OffsetCommit[]): Refusal | null {
    const member = this.#members.get(memberId);
    if (member === undefined || generation !== this.generation) return 'expelled';
    member.lastSeenMs = this.time.nowMs;
    for (const { offset, metadata = '', ...partition } of offsets) this.committed.set(nameOf(partition), { offset, metadata });
    return null;
  }

  leave(memberId: string): void {
    if (this.#members.delete(memberId)) this.#gather();
    this.#completeIfAllCame();
  }

  #watch(memberId: string): void {
    const member = this.#members.get(memberId);
    if (member === undefined) return;
    const silentMs = this.time.nowMs - member.lastSeenMs;
    if (member.answer === null && silentMs >= SESSION_TIMEOUT_MS) {
      this.tell(`coordinator: ${memberId} was silent for a session`);
      this.leave(memberId);
      return;
    }
    this.time.after(Math.max(50, SESSION_TIMEOUT_MS - silentMs), () => this.#watch(memberId));
  }

  #gather(): void {
    if (this.#gathering !== null || this.#members.size === 0) return;
    this.tell('coordinator: the group gathers');
    this.#gathering = this.time.after(this.drainTimeoutMs + REBALANCE_MARGIN_MS, () => this.#complete());
  }

  #completeIfAllCame(): void {
    if (this.#gathering !== null && [...this.#members.values()].every(({ answer }) => answer !== null)) this.#complete();
  }

  #complete(): void {
    this.#gathering?.();
    this.#gathering = null;
    for (const [memberId, { answer }] of this.#members) if (answer === null) this.#members.delete(memberId);
    this.generation++;
    this.rebalances++;
    const subscribers = [...this.#members].map(
      ([memberId, { topics, owned, ownedIn }]): Subscriber => ({ memberId, topics, owned, generation: ownedIn, letsGoLater: true }),
    );
    if (subscribers.length === 0) return;
    const subscription = { partitions: this.partitions, coPartitioned: true };
    const assignment = withoutTransfers(assign(subscribers, subscription), subscribers, subscription);
    for (const [memberId, member] of this.#members) {
      const partitions = assignment.get(memberId) ?? [];
      for (const other of subscribers) {
        if (other.memberId === memberId || other.generation !== this.generation - 1) continue;
        for (const each of partitions)
          if (other.owned.some((own) => nameOf(own) === nameOf(each)))
            this.violated(`${memberId} gets ${nameOf(each)}, which ${other.memberId} has not let go of`);
      }
      this.tell(`coordinator: generation ${this.generation}, ${memberId} gets ${partitions.map(nameOf).join(' ') || 'nothing'}`);
      member.lastSeenMs = this.time.nowMs;
      const { answer } = member;
      member.answer = null;
      answer?.({ generation: this.generation, partitions, atMs: this.time.nowMs });
    }
  }
}
