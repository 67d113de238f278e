/**
 * Reads one of the registry's own topics and puts right what a record says wrongly (guarantees.md §6).
 *
 * First all of the topic is read and every row is compared with it: a topic that is new (another log, a lost one) is filled
 * that way. From then on each record is compared as it comes by. Four verdicts: it agrees; the topic is behind (a relay that
 * had lost its lock wrote late, or the record is missing); the row is gone (the topic names a deleted resource as alive); the
 * row is behind (the database was restored from a backup: the row's version is raised above the topic's, since no cache goes
 * back).
 *
 * A verdict is only a suspicion, because more records may be under way. It is judged again with the row locked, nothing of
 * the resource waiting in the change log, and the topic read to its end. What is put right goes through the change log, as
 * every write does.
 */
import { MoreThan } from 'typeorm';
import type { LogReader, LogRecord, MessageLog } from '@cf/messaging';
import type { Database } from '@cf/persistence';
import type { Logger } from 'pino';
import type { VersionedRow } from '../database/versioned-row.js';
import { findRows } from './find-rows.js';
import type { PublishedKind } from './published-kind.js';
import { putRight } from './put-right.js';
import { compareToRow, NOTHING, readTopicState, type TopicState } from './topic-state.js';
import { WakeUp } from './wake-up.js';

/** Rows compared, locked and put right at once. */
const CHUNK_ROWS = 500;
/** 1,000,000 records are read in well under a minute; longer means that the log is away, and then it is tried again. */
const READ_ALL_MS_MAX = 120_000;
/** Row locks are held meanwhile. */
const READ_REST_MS_MAX = 2_000;
const RETRY_MS = 1_000;

export interface TopicWatchOptions {
  readonly topic: string;
  readonly kinds: readonly PublishedKind[];
  readonly log: MessageLog;
  readonly database: Database;
  readonly logger: Logger;
  readonly tombstoneAfterMs: number;
  readonly onRepaired: (resources: number) => void;
}

/** A copy of a map's first entries; copying a million to take five hundred would take most of the time. */
const firstOf = <K, V>(map: ReadonlyMap<K, V>, count: number): Map<K, V> => {
  const first = new Map<K, V>();
  for (const [key, value] of map) {
    if (first.size === count) break;
    first.set(key, value);
  }
  return first;
};

export class TopicWatch {
  private readonly reader: LogReader;
  private readonly wakeUp = new WakeUp();
  /** The last state of each resource that came by and was not compared yet. */
  private arrived = new Map<string, TopicState>();
  private closing = false;

  constructor(private readonly options: TopicWatchOptions) {
    this.reader = options.log.read({ topic: options.topic, from: 'beginning', onRecords: (_partition, records) => this.take(records) });
    void this.run();
  }

  /** Does not wait for a comparison that runs: it ends by itself, and what it puts right it may. */
  async close(): Promise<void> {
    this.closing = true;
    this.wakeUp.ring();
    await this.reader.close();
  }

  private take(records: readonly LogRecord[]): void {
    for (const record of records) {
      const read = readTopicState(record);
      if (read !== null) this.arrived.set(read.id, read.state);
    }
    this.wakeUp.ring();
  }

  private async run(): Promise<void> {
    let everythingCompared = false;
    while (!this.closing) {
      try {
        if (!everythingCompared) {
          await this.compareEverything();
          everythingCompared = true;
        }
        await this.compareArrived();
        await this.wakeUp.wait(READ_ALL_MS_MAX);
      } catch (error) {
        if (this.closing) return;
        this.options.logger.warn(
          { err: error, topic: this.options.topic },
          'a registry topic could not be compared with its rows and is compared again',
        );
        await this.wakeUp.wait(RETRY_MS);
      }
    }
  }

  private async compareEverything(): Promise<void> {
    await this.readToEnd(READ_ALL_MS_MAX);
    const states = new Map(this.arrived);
    const leftOver = new Set(states.keys());
    for (const kind of this.options.kinds) {
      for await (const rows of this.pages(kind)) {
        rows.forEach(({ id }) => leftOver.delete(id));
        await this.compare(new Map(rows.map(({ id }) => [id, states.get(id) ?? NOTHING])), rows);
      }
    }
    this.arrived = new Map([...this.arrived].filter(([id, state]) => leftOver.has(id) || states.get(id) !== state));
  }

  private async *pages(kind: PublishedKind): AsyncGenerator<VersionedRow[]> {
    for (let after = '00000000-0000-0000-0000-000000000000'; !this.closing; ) {
      const rows = await this.options.database.system((manager) =>
        manager.find(kind.entity, {
          select: { id: true, version: true },
          where: { id: MoreThan(after) },
          order: { id: 'ASC' },
          take: CHUNK_ROWS,
        }),
      );
      const last = rows.at(-1);
      if (last === undefined) return;
      yield rows;
      after = last.id;
    }
  }

  private async compareArrived(): Promise<void> {
    while (this.arrived.size > 0 && !this.closing) {
      const states = firstOf(this.arrived, CHUNK_ROWS);
      const rows = await this.options.database.system((manager) => findRows(manager, this.options.kinds, [...states.keys()], 'unlocked'));
      await this.compare(
        states,
        rows.map(({ row }) => row),
      );
      for (const [id, state] of states) if (this.arrived.get(id) === state) this.arrived.delete(id);
    }
  }

  private async compare(states: ReadonlyMap<string, TopicState>, rows: readonly VersionedRow[]): Promise<void> {
    const versions = new Map(rows.map(({ id, version }) => [id, version]));
    const suspects = new Map([...states].filter(([id, state]) => compareToRow(state, versions.get(id) ?? null) !== 'agrees'));
    if (suspects.size === 0) return;
    const repaired = await this.options.database.system((manager) =>
      putRight(manager, suspects, {
        ...this.options,
        latest: (id) => this.arrived.get(id),
        readToEnd: () => this.readToEnd(READ_REST_MS_MAX),
      }),
    );
    if (repaired > 0) {
      this.options.logger.warn(
        { topic: this.options.topic, resources: repaired },
        'published the present state of resources that the topic had wrong',
      );
      this.options.onRepaired(repaired);
    }
  }

  private async readToEnd(timeoutMs: number): Promise<void> {
    await this.reader.reached(await this.options.log.endOffsets(this.options.topic), timeoutMs);
  }
}
