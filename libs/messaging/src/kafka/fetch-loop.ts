import type { LogRecord, TopicPartition } from '../log.js';
import { keyOf } from '../topic-partition.js';
import { BackOff } from './waiting.js';
import type { Connection } from './connection.js';
import { decodeFetchAnswer, type FetchedPartition } from './fetch-answer.js';
import { request } from './kafkajs-internals.js';
import { READ_COMMITTED } from './offsets.js';

/** A partition that was added or resumed joins the next request, so this is the longest it waits; data ends the wait at once. */
const WAIT_MS = 100;
/** What one partition may hold up in memory; a larger single batch still comes, alone. */
const PARTITION_BYTES = 512 * 1024;
const REQUEST_BYTES = 8 * 1024 * 1024;

export interface FetchListener {
  /** Records of one partition in order. When it throws, the same records come again. */
  records(topic: string, partition: number, records: readonly LogRecord[]): void;
  /** The position of a partition moved, with or without records. */
  moved?(topic: string, partition: number, nextOffset: number): void;
  /** The offset is not in the log any more: where to go on, or null to stop reading this partition. */
  outOfRange(topic: string, partition: number, offset: number): Promise<number | null>;
}

interface Target extends TopicPartition {
  nextOffset: number;
  leader: number;
  paused: boolean;
  /** By its owner's decision, after its offset was out of range. */
  stopped: boolean;
  /** Waits after an error of this partition alone; the others go on. */
  waiting: boolean;
  readonly backOff: BackOff;
  /** Fetched and not yet delivered because of a pause, so that nothing is fetched twice. */
  held: LogRecord[];
}

/** The places in a request rotate, so that partitions at its end get their turn when those before them fill it. */
const rotated = <T>(items: readonly T[], by: number): T[] => [...items.slice(by % items.length), ...items.slice(0, by % items.length)];

/**
 * Reads partitions from their leaders: for each broker that leads one there is a loop with one request under way. A loop ends when
 * nothing is left to ask its broker for, and is started again by `add` and `resume`.
 */
export class FetchLoop {
  readonly #targets = new Map<string, Target>();
  readonly #loops = new Map<number, Promise<void>>();
  readonly #closing = new AbortController();
  #round = 0;

  constructor(
    private readonly connection: Connection,
    private readonly listener: FetchListener,
  ) {}

  add(partitions: readonly (TopicPartition & { readonly nextOffset: number })[]): void {
    for (const { topic, partition, nextOffset } of partitions) {
      const state = { leader: -1, paused: false, stopped: false, waiting: false, backOff: new BackOff(), held: [] };
      this.#targets.set(keyOf({ topic, partition }), { topic, partition, nextOffset, ...state });
    }
    void this.#findLeaders();
  }

  remove(topic: string, partition: number): void {
    this.#targets.delete(keyOf({ topic, partition }));
    this.connection.partitionWorks(topic, partition);
  }

  pause(topic: string, partition: number): void {
    const target = this.#targets.get(keyOf({ topic, partition }));
    if (target !== undefined) target.paused = true;
  }

  resume(topic: string, partition: number): void {
    const target = this.#targets.get(keyOf({ topic, partition }));
    if (target === undefined || !target.paused) return;
    target.paused = false;
    this.#deliverHeldSoon();
  }

  async close(): Promise<void> {
    this.#targets.clear();
    this.#closing.abort();
    await Promise.all(this.#loops.values());
  }

  readonly #decode = (raw: Buffer, apiVersion: number): Promise<readonly FetchedPartition[]> =>
    decodeFetchAnswer(raw, apiVersion, (topic) => this.connection.logical(topic));

  #isActive(target: Target): boolean {
    return !target.paused && !target.stopped && !target.waiting && target.held.length === 0;
  }

  /** Not within the call of `resume`: the listener may be in the middle of something. */
  #deliverHeldSoon(): void {
    setImmediate(() => {
      for (const target of this.#targets.values()) if (!target.paused) this.#deliverHeld(target);
      this.#startLoops();
    });
  }

  #deliverHeld(target: Target): void {
    if (target.held.length === 0) return;
    try {
      this.listener.records(target.topic, target.partition, target.held);
      target.held = [];
    } catch (error) {
      void this.#retryLater(target, error).then(() => this.#deliverHeldSoon());
    }
  }

  async #findLeaders(): Promise<void> {
    const backOff = new BackOff();
    while (!this.#closing.signal.aborted) {
      try {
        const topics = new Set([...this.#targets.values()].map(({ topic }) => topic));
        for (const topic of topics) {
          const leaders = await this.connection.leaders(this.connection.physical(topic));
          for (const target of this.#targets.values()) if (target.topic === topic) target.leader = leaders[target.partition] ?? -1;
        }
        break;
      } catch (error) {
        await this.connection.failed(error);
        await backOff.wait(this.#closing.signal);
      }
    }
    this.#startLoops();
  }

  #startLoops(): void {
    if (this.#closing.signal.aborted) return;
    for (const target of this.#targets.values()) {
      if (target.leader < 0 || this.#loops.has(target.leader) || !this.#isActive(target)) continue;
      const { leader } = target;
      this.#loops.set(
        leader,
        this.#poll(leader).then(() => {
          this.#loops.delete(leader);
          this.#startLoops();
        }),
      );
    }
  }

  async #poll(leader: number): Promise<void> {
    const backOff = new BackOff();
    for (;;) {
      const targets = [...this.#targets.values()].filter((target) => target.leader === leader && this.#isActive(target));
      if (targets.length === 0) return;
      try {
        await this.#fetch(leader, rotated(targets, this.#round++));
        this.connection.works();
        backOff.reset();
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        await this.connection.failed(error);
        await backOff.wait(this.#closing.signal);
        await this.#findLeaders();
      }
    }
  }

  async #fetch(leader: number, targets: readonly Target[]): Promise<void> {
    const asked = new Map<string, { target: Target; offset: number }>();
    const topics = targets.map((target) => {
      asked.set(keyOf(target), { target, offset: target.nextOffset });
      const topic = this.connection.physical(target.topic);
      return { topic, partitions: [{ partition: target.partition, fetchOffset: String(target.nextOffset), maxBytes: PARTITION_BYTES }] };
    });
    const broker = await this.connection.broker(leader);
    const limits = { maxWaitTime: WAIT_MS, minBytes: 1, maxBytes: REQUEST_BYTES, isolationLevel: READ_COMMITTED };
    const fetched = await request(broker, 'Fetch', { ...limits, topics }, { decode: this.#decode });

    for (const answer of fetched) {
      const question = asked.get(keyOf(answer));
      if (question === undefined || !this.#isCurrent(question)) continue;
      try {
        await this.#accept(question.target, answer);
        if (!question.target.stopped) this.#works(question.target);
      } catch (error) {
        void this.#retryLater(question.target, error);
      }
    }
  }

  #works(target: Target): void {
    target.backOff.reset();
    this.connection.partitionWorks(target.topic, target.partition);
  }

  async #retryLater(target: Target, error: unknown): Promise<void> {
    target.waiting = true;
    this.connection.partitionFails(target.topic, target.partition, error);
    await target.backOff.wait(this.#closing.signal);
    target.waiting = false;
    if (this.#closing.signal.aborted) return;
    await this.connection.refresh();
    await this.#findLeaders();
  }

  #isCurrent({ target, offset }: { target: Target; offset: number }): boolean {
    return this.#targets.get(keyOf(target)) === target && target.nextOffset === offset;
  }

  async #accept(target: Target, answer: FetchedPartition): Promise<void> {
    const { topic, partition } = target;
    if (answer.error !== null) {
      if ((answer.error as { type?: string }).type !== 'OFFSET_OUT_OF_RANGE') throw answer.error;
      const nextOffset = await this.listener.outOfRange(topic, partition, target.nextOffset);
      if (nextOffset === null) target.stopped = true;
      else target.nextOffset = nextOffset;
      return;
    }
    if (answer.nextOffset === null) return;
    // A batch is sent whole, also when the position lies within it.
    const isRead = answer.records[0] === undefined || answer.records[0].offset >= target.nextOffset;
    const records = isRead ? answer.records : answer.records.filter(({ offset }) => offset >= target.nextOffset);
    if (records.length > 0) {
      if (target.paused) target.held.push(...records);
      else this.listener.records(topic, partition, records);
    }
    target.nextOffset = Math.max(target.nextOffset, answer.nextOffset);
    this.listener.moved?.(topic, partition, target.nextOffset);
  }
}
