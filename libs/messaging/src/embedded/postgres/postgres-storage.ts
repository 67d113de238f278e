import pg from 'pg';
import type { LogRecord, OffsetCommit, TopicSpec } from '../../log.js';
import type { LogStorage, ReadRange, RecordChunk, StorageOpening, StoredLog, TrimLimit } from '../log-storage.js';
import { AppendRefused } from '../log-storage.js';
import { ConnectionLost, Fenced, OwnerConnection } from './owner-connection.js';
import { blamesRecords, sqlState, UNDEFINED_TABLE, UNIQUE_VIOLATION } from './postgres-errors.js';
import { batchParameters, INSERT_RECORDS, lastPerKey, recordOf, UPSERT_COMPACTED } from './record-batch.js';
import type { RecordRow } from './record-batch.js';
import { READ_COMPACTED, readSegment } from './schema.js';
import { loadCatalog, loadGroups, SegmentCatalog } from './segment-catalog.js';
import type { CatalogTopic } from './segment-catalog.js';
import {
  closeSegment,
  createTopicRows,
  droppable,
  dropSegments,
  inTransaction,
  isFull,
  openSegment,
  purgeTombstones,
  SEGMENT,
} from './segment-changes.js';
import type { SegmentBounds } from './segment-changes.js';

export interface PostgresStorageOptions {
  /** A direct connection: a pooler that shares sessions between clients breaks the lock. */
  readonly connectionString: string;
  /** Default 30 s. */
  readonly connectTimeoutMs?: number;
  /** Default 10 s. */
  readonly lockTimeoutMs?: number;
  /** An answer that takes longer means that the connection hangs: it is given up. Default 30 s. */
  readonly answerTimeoutMs?: number;
  /** When a segment is full. Default 128 MiB or one hour. */
  readonly segment?: SegmentBounds;
}

/** Slow consumers and read-backs share these; the hot path reads nothing. */
const READ_CONNECTIONS_MAX = 4;
/** How long a commit of consumer offsets or a new topic waits for a connection that was lost. */
const WRITE_TIMEOUT_MS = 30_000;

/** The log in schema `embedded_log` of a Postgres database (see `schema.ts`), written by one process (see `owner-connection.ts`). */
export class PostgresStorage implements LogStorage {
  private readonly reads: pg.Pool;
  private readonly segmentBounds: SegmentBounds;
  private readonly answerTimeoutMs: number;
  private owner: OwnerConnection | null = null;
  private catalog = new SegmentCatalog();
  /** An append whose outcome is not known yet. */
  private unresolved: { readonly records: readonly LogRecord[]; stored: boolean } | null = null;

  constructor(private readonly options: PostgresStorageOptions) {
    const { connectionString, segment = SEGMENT, answerTimeoutMs = 30_000 } = options;
    this.segmentBounds = segment;
    this.answerTimeoutMs = answerTimeoutMs;
    this.reads = new pg.Pool({
      connectionString,
      max: READ_CONNECTIONS_MAX,
      application_name: 'cloud-functions embedded log, readers',
      connectionTimeoutMillis: answerTimeoutMs,
      query_timeout: answerTimeoutMs,
    });
    // The pool replaces what broke; whoever reads sees its own error.
    this.reads.on('error', () => undefined);
  }

  async open(opening: StorageOpening): Promise<StoredLog> {
    let verified = false;
    let stored: StoredLog | null = null;
    this.owner = new OwnerConnection({
      connectionString: this.options.connectionString,
      connectTimeoutMs: this.options.connectTimeoutMs ?? 30_000,
      lockTimeoutMs: this.options.lockTimeoutMs ?? 10_000,
      answerTimeoutMs: this.answerTimeoutMs,
      onOwnership: opening.onOwnership,
      verify: async (client) => {
        if (verified) return this.reload(client);
        this.catalog = await loadCatalog(client);
        stored = this.storedLog(await loadGroups(client));
        verified = true;
      },
    });
    await this.owner.take();
    if (stored === null) throw new Error('the log was not loaded');
    return stored;
  }

  async createTopic(spec: TopicSpec): Promise<void> {
    await this.write((client) => createTopicRows(client, this.catalog, spec));
  }

  async append(records: readonly LogRecord[]): Promise<void> {
    const owner = this.writer();
    const outcome = { records, stored: false };
    try {
      await owner.owned();
      this.unresolved = outcome;
      await owner.run((client) => this.insert(client, records));
      this.catalog.appended(records);
    } catch (error) {
      if (error instanceof ConnectionLost) {
        // Once the lock is regained, `reload` has seen whether the records are there.
        await owner.owned().catch(() => undefined);
        if (outcome.stored) return;
      }
      if (sqlState(error) === UNIQUE_VIOLATION) owner.fence(new Fenced('the stored log holds offsets that another process wrote'));
      throw new AppendRefused(error instanceof Error ? error.message : String(error), blamesRecords(error), { cause: error });
    } finally {
      this.unresolved = null;
    }
  }

  async read(range: ReadRange): Promise<RecordChunk> {
    const topic = this.catalog.topic(range.topic);
    if (topic.spec.cleanup === 'compact') {
      return this.readPage(range, READ_COMPACTED, range.untilOffset, [topic.id]);
    }
    const segment = topic.segments.find(({ ranges }) => (ranges.get(range.partition)?.last ?? -1) >= range.fromOffset);
    const last = segment?.ranges.get(range.partition)?.last;
    if (segment === undefined || last === undefined) return { records: [], nextOffset: range.untilOffset };
    try {
      return await this.readPage(range, readSegment(segment.id), Math.min(range.untilOffset, last + 1), []);
    } catch (error) {
      // Dropped while it was read: nobody needed it any more.
      if (sqlState(error) === UNDEFINED_TABLE) return { records: [], nextOffset: Math.min(range.untilOffset, last + 1) };
      throw error;
    }
  }

  async saveGroup(group: string, topics: readonly string[], seenAtMs: number): Promise<void> {
    await this.write((client) =>
      client.query(
        `insert into embedded_log.groups (group_name, topic_id, seen_at_ms) select $1, unnest($2::integer[]), $3
         on conflict (group_name, topic_id) do update set seen_at_ms = excluded.seen_at_ms`,
        [group, [...new Set(topics)].map((topic) => this.catalog.topic(topic).id), seenAtMs],
      ),
    );
  }

  /** Not waited for the disk: after a crash of the machine the last ones may be missing, never the records that they speak of. */
  async saveCommits(group: string, commits: readonly OffsetCommit[]): Promise<void> {
    await this.write((client) =>
      client.query({
        name: 'save_commits',
        text: `with relaxed as materialized (select set_config('synchronous_commit', 'off', true))
          insert into embedded_log.committed_offsets (group_name, topic_id, partition, "offset", metadata)
          select $1, c.topic_id, c.partition, c."offset", c.metadata
          from relaxed, unnest($2::integer[], $3::integer[], $4::bigint[], $5::text[]) as c (topic_id, partition, "offset", metadata)
          on conflict (group_name, topic_id, partition) do update set "offset" = excluded."offset", metadata = excluded.metadata`,
        values: [
          group,
          commits.map(({ topic }) => this.catalog.topic(topic).id),
          commits.map(({ partition }) => partition),
          commits.map(({ offset }) => offset),
          commits.map(({ metadata }) => metadata ?? ''),
        ],
      }),
    );
  }

  async trim(limit: TrimLimit): Promise<readonly number[]> {
    const nowMs = Date.now();
    await this.writer().run(async (client) => {
      const topic = this.catalog.topic(limit.topic);
      if (topic.spec.cleanup === 'compact') return purgeTombstones(client, topic, nowMs - limit.olderThanMs);
      const open = this.catalog.openSegment(topic);
      if (open !== null && isFull(open, this.segmentBounds, nowMs)) await closeSegment(client, open);
      const segments = droppable(topic, limit, nowMs);
      if (segments.length > 0) await dropSegments(client, topic, segments);
    });
    const { spec, floors } = this.catalog.topic(limit.topic);
    return spec.cleanup === 'compact' ? floors.map(() => 0) : [...floors];
  }

  async close(): Promise<void> {
    await this.owner?.close();
    await this.reads.end();
  }

  private writer(): OwnerConnection {
    if (this.owner === null) throw new Error('the log is not open');
    return this.owner;
  }

  /** For writes that may be done twice. */
  private async write(work: (client: pg.Client) => Promise<unknown>): Promise<void> {
    const giveUpAt = Date.now() + WRITE_TIMEOUT_MS;
    for (;;) {
      await this.writer().owned(giveUpAt - Date.now());
      try {
        await this.writer().run(work);
        return;
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
      }
    }
  }

  private async insert(client: pg.Client, records: readonly LogRecord[]): Promise<void> {
    const ordinary = records.filter((record) => this.catalog.topic(record.topic).spec.cleanup === 'delete');
    const compacted = lastPerKey(records.filter((record) => this.catalog.topic(record.topic).spec.cleanup === 'compact'));
    await this.prepareSegments(client, new Set(ordinary.map(({ topic }) => topic)));
    const insertOrdinary = () =>
      client.query({ ...INSERT_RECORDS, values: batchParameters(ordinary, ({ topic }) => this.segmentOf(topic)) });
    const upsert = () =>
      client.query({ ...UPSERT_COMPACTED, values: batchParameters(compacted, ({ topic }) => this.catalog.topic(topic).id) });
    if (compacted.length === 0) await insertOrdinary();
    else if (ordinary.length === 0) await upsert();
    else {
      await inTransaction(client, async () => {
        await insertOrdinary();
        await upsert();
      });
    }
  }

  private async prepareSegments(client: pg.Client, topics: ReadonlySet<string>): Promise<void> {
    const nowMs = Date.now();
    for (const name of topics) {
      const topic = this.catalog.topic(name);
      const open = this.catalog.openSegment(topic);
      if (open !== null && !isFull(open, this.segmentBounds, nowMs)) continue;
      if (open !== null) await closeSegment(client, open);
      await openSegment(client, topic, nowMs);
    }
  }

  private segmentOf(topic: string): number {
    const segment = this.catalog.openSegment(this.catalog.topic(topic));
    if (segment === null) throw new Error(`${topic} has no open segment`);
    return segment.id;
  }

  /**
   * After the lock was regained: the log must end where this process left it, or behind the one append that it does not know the
   * outcome of. Anything else was written by another, or acknowledged records are gone (a stand-by that was not up to date).
   */
  private async reload(client: pg.Client): Promise<void> {
    const present = await loadCatalog(client);
    const growth = present.growthSince(this.catalog);
    const expected = new Map<string, number>();
    const pending = this.unresolved === null || this.unresolved.stored ? [] : this.unresolved.records;
    for (const { topic, partition } of pending) {
      expected.set(`${topic} ${partition}`, (expected.get(`${topic} ${partition}`) ?? 0) + 1);
    }
    const isStored =
      growth !== null && growth.size === expected.size && [...expected].every(([place, count]) => growth.get(place) === count);
    if (growth === null || (growth.size > 0 && !isStored)) throw new Fenced('the stored log does not end where this process left it');
    if (this.unresolved !== null && growth.size > 0) this.unresolved.stored = true;
    this.catalog = present;
  }

  private async readPage(range: ReadRange, text: string, until: number, more: readonly unknown[]): Promise<RecordChunk> {
    const values = [range.partition, range.fromOffset, until, range.recordsMax, range.bytesMax, ...more];
    const { rows } = await this.reads.query<RecordRow>(text, values);
    const records = rows.map((row) => recordOf(range.topic, range.partition, row));
    const bytes = rows.reduce((sum, { value, headers }) => sum + (value?.length ?? 0) + (headers?.length ?? 0) + 200, 0);
    const isCut = rows.length === range.recordsMax || bytes >= range.bytesMax;
    return { records, nextOffset: isCut ? (records.at(-1)?.offset ?? until - 1) + 1 : until };
  }

  private storedLog(groups: StoredLog['groups']): StoredLog {
    const startOffsets = ({ spec, floors }: CatalogTopic): number[] => floors.map((floor) => (spec.cleanup === 'compact' ? 0 : floor));
    const topics = [...this.catalog.topics.values()].map((topic) => ({
      spec: topic.spec,
      startOffsets: startOffsets(topic),
      endOffsets: [...topic.ends],
    }));
    return { topics, groups, lastTimestampMs: this.catalog.lastTimestampMs };
  }
}
