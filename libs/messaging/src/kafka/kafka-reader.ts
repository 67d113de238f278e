import { MessagingError } from '../errors.js';
import type { LogReader, ReaderOptions } from '../log.js';
import { BackOff } from './waiting.js';
import type { Connection } from './connection.js';
import { FetchLoop } from './fetch-loop.js';
import { EARLIEST, LATEST, listOffsets } from './offsets.js';

interface Waiter {
  readonly endOffsets: readonly number[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Reads every partition of a topic from its leaders, without a group: no joining, no commits, nothing left behind on the broker. */
export class KafkaReader implements LogReader {
  readonly positioned: Promise<void>;
  readonly #loop: FetchLoop;
  readonly #positions: number[] = [];
  readonly #waiters = new Set<Waiter>();
  readonly #closing = new AbortController();

  constructor(
    private readonly connection: Connection,
    private readonly options: ReaderOptions,
  ) {
    this.#loop = new FetchLoop(connection, {
      records: (_, partition, records) => options.onRecords(partition, records),
      moved: (_, partition, nextOffset) => this.#move(partition, nextOffset),
      outOfRange: (_, partition, offset) => this.#earliest(partition, offset),
    });
    this.positioned = this.#start();
    // Who does not wait for it learns of a close from `reached` or not at all.
    this.positioned.catch(() => undefined);
  }

  positions(): readonly number[] {
    return [...this.#positions];
  }

  reached(endOffsets: readonly number[], timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => (): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        done();
      };
      const waiter: Waiter = { endOffsets, resolve: settle(resolve), reject: (error) => settle(() => reject(error))() };
      const timer = setTimeout(() => {
        const text = `${this.options.topic} was read to ${this.#positions.join(', ')} of ${endOffsets.join(', ')} after ${timeoutMs} ms`;
        waiter.reject(new MessagingError('not_reached', text, true));
      }, timeoutMs);
      this.#waiters.add(waiter);
      if (this.#closing.signal.aborted) waiter.reject(this.#closedError());
      else this.#tell();
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    for (const waiter of this.#waiters) waiter.reject(this.#closedError());
    await Promise.all([this.connection.close(), this.#loop.close()]);
  }

  async #start(): Promise<void> {
    const { topic, from } = this.options;
    const backOff = new BackOff();
    while (!this.#closing.signal.aborted) {
      try {
        const offsets = await listOffsets(this.connection, topic, from === 'beginning' ? EARLIEST : LATEST);
        const start = [...offsets].map(([partition, offset]) => ({ topic, partition, nextOffset: offset ?? 0 }));
        for (const { partition, nextOffset } of start) this.#positions[partition] = nextOffset;
        this.#loop.add(start);
        this.connection.works();
        this.#tell();
        return;
      } catch (error) {
        await this.connection.failed(error);
        await backOff.wait(this.#closing.signal);
      }
    }
    throw this.#closedError();
  }

  /** What was deleted meanwhile cannot be read any more: the oldest that is left is next. */
  async #earliest(partition: number, offset: number): Promise<number> {
    const { topic } = this.options;
    const earliest = (await listOffsets(this.connection, topic, EARLIEST, [partition])).get(partition) ?? 0;
    this.connection.settings.log('warn', `${topic}[${partition}] does not hold offset ${offset} any more, reading on at ${earliest}`, {});
    this.#move(partition, earliest);
    return earliest;
  }

  #move(partition: number, nextOffset: number): void {
    this.#positions[partition] = nextOffset;
    this.#tell();
  }

  #tell(): void {
    if (this.#positions.length === 0) return;
    for (const waiter of this.#waiters) {
      if (waiter.endOffsets.every((end, partition) => (this.#positions[partition] ?? 0) >= end)) waiter.resolve();
    }
  }

  #closedError(): MessagingError {
    return new MessagingError('closed', `${this.connection.name} is closed`, false);
  }
}
