import { PublishError } from '../errors.js';
import type { OutgoingRecord, Publisher } from '../log.js';
import { partitionForKey } from '../partition-for-key.js';
import { BackOff, pause } from './waiting.js';
import type { Connection } from './connection.js';
import type { ProtocolError } from './kafkajs-internals.js';
import { PartitionQueue, type PendingRecord } from './partition-queue.js';
import { encodeHeaders } from './produce-request.js';
import { produce, type PartitionBatch } from './produce.js';
import { isUnknownTopic, readTopicFacts, type TopicFacts } from './topic-facts.js';

/** Below the 1 MiB that brokers take for a batch unless told otherwise; a larger single record goes alone. */
const REQUEST_BYTES = 900 * 1024;

/** The broker will never take the batch as it is. */
const OFFENCES = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD', 'INVALID_TIMESTAMP']);

/** A send of fewer is not worth waiting for more. */
const GATHERED_RECORDS_MIN = 4;

/** Framing, which a record's size does not include. */
const HEADER_COUNT_BYTES = 1;

interface Topic {
  readonly facts: TopicFacts;
  readonly queues: PartitionQueue[];
}

type Unplaced = PendingRecord & { readonly partition: number | undefined };

/**
 * One send is under way and carries what came meanwhile: a request to each leader with a batch of each partition. Where many records
 * come and nobody waits for them, sends keep a distance, since a request of many records costs little more than one of a few.
 * The broker answers for each partition by itself, so what was appended is never sent again because of another partition; a partition
 * that fails waits while the others go on.
 */
export class KafkaPublisher implements Publisher {
  readonly #topics = new Map<string, Topic>();
  readonly #unplaced = new Map<string, Unplaced[]>();
  readonly #idle: (() => void)[] = [];
  #open = 0;
  #bytes = 0;
  #anyPartition = 0;
  #round = 0;
  #sending = false;
  #wake: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    private readonly connection: Connection,
    /** Of a busy publisher so long passes at least from the start of a send to that of the next. 0: none waits. */
    private readonly gatheredMs = 0,
  ) {}

  publish(outgoing: OutgoingRecord): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new PublishError('closed', `${this.connection.name} is closed`, true));
      const { settings } = this.connection;
      const key = outgoing.key === null ? null : Buffer.from(outgoing.key);
      const value = typeof outgoing.value === 'string' ? Buffer.from(outgoing.value) : outgoing.value;
      const headers = encodeHeaders(outgoing.headers ?? {});
      const bytes = (key?.length ?? 0) + (value?.length ?? 0) + headers.length - HEADER_COUNT_BYTES;
      if (this.#bytes > 0 && this.#bytes + bytes > settings.publisherQueueBytesMax) {
        return reject(new PublishError('queue_full', `${this.#bytes} bytes wait in ${this.connection.name}`, true));
      }
      this.#open++;
      this.#bytes += bytes;
      this.#place(outgoing.topic, {
        key,
        value,
        headers,
        bytes,
        partition: outgoing.partition,
        giveUpAtMs: performance.now() + settings.deliveryTimeoutMs,
        settle: (error) => {
          this.#open--;
          this.#bytes -= bytes;
          if (error === null) resolve();
          else reject(error);
          if (this.#open === 0) for (const tell of this.#idle.splice(0)) tell();
        },
      });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#open > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    await this.connection.close();
  }

  #place(name: string, record: Unplaced): void {
    const topic = this.#topics.get(name);
    if (topic !== undefined) {
      this.#enqueue(name, topic, record);
      return;
    }
    const waiting = this.#unplaced.get(name);
    if (waiting !== undefined) {
      waiting.push(record);
      return;
    }
    this.#unplaced.set(name, [record]);
    void this.#learn(name);
  }

  /** Asks for a topic that was not written to before; what is published to it meanwhile keeps its order. */
  async #learn(name: string): Promise<void> {
    const backOff = new BackOff();
    for (;;) {
      const waiting = this.#unplaced.get(name)!;
      try {
        const facts = await readTopicFacts(this.connection, name);
        const batchBytesMax = Math.min(REQUEST_BYTES, facts.messageBytesMax ?? REQUEST_BYTES);
        const queues = Array.from({ length: facts.partitions }, (_, partition) => new PartitionQueue(name, partition, batchBytesMax));
        const topic = { facts, queues };
        this.#topics.set(name, topic);
        this.#unplaced.delete(name);
        for (const record of waiting) this.#enqueue(name, topic, record);
        return;
      } catch (error) {
        const final = isUnknownTopic(error) ? new PublishError('unknown_topic', `there is no topic ${name}`, false) : null;
        if (final === null) await this.connection.failed(error);
        const nowMs = performance.now();
        const still = waiting.filter((record) => {
          if (final === null && record.giveUpAtMs > nowMs) return true;
          record.settle(final ?? this.#notAcknowledged(name, error));
          return false;
        });
        if (still.length === 0) {
          this.#unplaced.delete(name);
          return;
        }
        this.#unplaced.set(name, still);
        await backOff.wait();
      }
    }
  }

  #enqueue(name: string, { facts, queues }: Topic, record: Unplaced): void {
    if (facts.messageBytesMax !== null && record.bytes > facts.messageBytesMax) {
      record.settle(new PublishError('too_large', `${record.bytes} bytes, ${name} takes ${facts.messageBytesMax}`, false));
      return;
    }
    const partition = record.partition ?? this.#choose(record.key, facts.partitions);
    const queue = queues[partition];
    if (queue === undefined) {
      record.settle(new PublishError('unknown_partition', `${name} has no partition ${partition}`, false));
      return;
    }
    queue.push(record);
    this.#sendSoon();
  }

  #choose(key: Buffer | null, partitions: number): number {
    return key === null ? this.#anyPartition++ % partitions : partitionForKey(key, partitions);
  }

  /** At the end of this turn of the event loop, so that what one turn publishes goes together. */
  #sendSoon(): void {
    if (this.#sending) return;
    this.#sending = true;
    setImmediate(() => void this.#sendAll());
  }

  async #sendAll(): Promise<void> {
    for (let batches = this.#take(); batches.length > 0; batches = this.#take()) {
      const startedAtMs = performance.now();
      const outcomes = await produce(this.connection, batches);
      for (const { queue, records } of batches) this.#settle(queue, records, outcomes.get(queue) ?? null);
      const failure = [...outcomes.values()].find((error) => error !== null && !OFFENCES.has((error as ProtocolError).type));
      if (failure) await this.connection.failed(failure);
      else this.connection.works();
      await this.#gather(batches, startedAtMs);
    }
    this.#sending = false;
    const blocked = this.#queues().filter((queue) => queue.length > 0);
    clearTimeout(this.#wake);
    if (blocked.length === 0) return;
    const waitMs = Math.min(...blocked.map(({ notBeforeMs }) => notBeforeMs)) - performance.now();
    this.#wake = setTimeout(() => this.#sendSoon(), Math.max(1, waitMs));
  }

  async #gather(sent: readonly PartitionBatch[], startedAtMs: number): Promise<void> {
    const waitMs = startedAtMs + this.gatheredMs - performance.now();
    if (waitMs <= 0 || this.#bytes >= REQUEST_BYTES) return;
    if (sent.reduce((count, { records }) => count + records.length, 0) >= GATHERED_RECORDS_MIN) await pause(waitMs);
  }

  #queues(): PartitionQueue[] {
    return [...this.#topics.values()].flatMap(({ queues }) => queues);
  }

  #take(): readonly PartitionBatch[] {
    const nowMs = performance.now();
    const batches: PartitionBatch[] = [];
    let bytesLeft = REQUEST_BYTES;
    // The first place rotates, so that a partition which fills the request alone does not keep the others out.
    const queues = this.#queues();
    const first = this.#round++ % Math.max(1, queues.length);
    for (const queue of [...queues.slice(first), ...queues.slice(0, first)]) {
      if (queue.length === 0 || queue.notBeforeMs > nowMs) continue;
      const records = queue.take(bytesLeft, batches.length === 0);
      if (records.length > 0) batches.push({ queue, records });
      for (const { bytes } of records) bytesLeft -= bytes;
      if (bytesLeft <= 0) break;
    }
    return batches;
  }

  #settle(queue: PartitionQueue, records: readonly PendingRecord[], error: Error | null): void {
    if (error === null) {
      queue.appended();
      for (const { settle } of records) settle(null);
      return;
    }
    const { type, retriable } = error as Partial<ProtocolError>;
    if (type !== undefined && OFFENCES.has(type)) {
      if (records.length > 1) queue.split(records);
      else
        records[0]!.settle(
          new PublishError(
            type === 'MESSAGE_TOO_LARGE' ? 'too_large' : 'refused',
            `${queue.topic} refused the record: ${error.message}`,
            false,
            { cause: error },
          ),
        );
      return;
    }
    const nowMs = performance.now();
    const mayHelp = type === undefined || retriable === true;
    const again = records.filter((record) => {
      if (mayHelp && record.giveUpAtMs > nowMs) return true;
      record.settle(this.#notAcknowledged(queue.topic, error));
      return false;
    });
    queue.retryLater(again, nowMs);
  }

  #notAcknowledged(topic: string, error: unknown): PublishError {
    return new PublishError('not_acknowledged', `${topic} did not acknowledge: ${(error as Error).message}`, true, { cause: error });
  }
}
