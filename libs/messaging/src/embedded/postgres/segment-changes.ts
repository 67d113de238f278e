import type pg from 'pg';
import type { TrimLimit } from '../log-storage.js';
import { createSegment, dropSegment } from './schema.js';
import type { CatalogTopic, Segment, SegmentCatalog } from './segment-catalog.js';

/** Rolled by whichever comes first: small enough to drop soon after it was consumed, large enough that a week makes no more than 168. */
export const SEGMENT = { bytesMax: 128 * 1024 * 1024, ageMaxMs: 60 * 60_000 } as const;

/** A backup reads all tables for as long as it takes. Publishers wait behind a drop, so it gives way at once and is tried again later. */
const LOCK_TIMEOUT_MS = 20;

/** Each table that is dropped takes locks until the transaction ends; the rest is dropped by the next turns. */
const DROPS_MAX = 20;

export type SegmentBounds = { readonly bytesMax: number; readonly ageMaxMs: number };

export const isFull = (segment: Segment, bounds: SegmentBounds, nowMs: number): boolean =>
  segment.ranges.size > 0 && (segment.bytes >= bounds.bytesMax || nowMs - segment.createdAtMs >= bounds.ageMaxMs);

export const inTransaction = async (client: pg.Client, work: () => Promise<void>): Promise<void> => {
  await client.query('begin');
  await work();
  await client.query('commit');
};

/** Writes down what the open segment holds; the next append opens another one. */
export const closeSegment = async (client: pg.Client, segment: Segment): Promise<void> => {
  const ranges = [...segment.ranges];
  await inTransaction(client, async () => {
    await client.query('update embedded_log.segments set closed = true where segment_id = $1', [segment.id]);
    await client.query(
      `insert into embedded_log.closed_ranges (segment_id, partition, first_offset, last_offset, last_timestamp_ms)
       select $1, range.partition, range.first, range.last, $5
       from unnest($2::integer[], $3::bigint[], $4::bigint[]) as range (partition, first, last)`,
      [
        segment.id,
        ranges.map(([partition]) => partition),
        ranges.map(([, { first }]) => first),
        ranges.map(([, { last }]) => last),
        segment.lastTimestampMs,
      ],
    );
  });
  segment.closed = true;
};

export const openSegment = async (client: pg.Client, topic: CatalogTopic, nowMs: number): Promise<void> => {
  let id = 0;
  await inTransaction(client, async () => {
    const { rows } = await client.query<{ segment_id: number }>(
      'insert into embedded_log.segments (topic_id, created_at_ms) values ($1, $2) returning segment_id',
      [topic.id, nowMs],
    );
    id = rows[0]?.segment_id ?? 0;
    await client.query(createSegment(id));
  });
  topic.segments.push({ id, createdAtMs: nowMs, ranges: new Map(), lastTimestampMs: nowMs, bytes: 0, closed: false });
};

/** Oldest first, up to the first one that is still needed. */
export const droppable = (topic: CatalogTopic, limit: TrimLimit, nowMs: number): Segment[] => {
  const isNeeded = ({ closed, lastTimestampMs, ranges }: Segment): boolean =>
    !closed ||
    lastTimestampMs > nowMs - limit.olderThanMs ||
    [...ranges].some(([partition, { last }]) => last >= (limit.belowOffsets[partition] ?? 0));
  const firstNeeded = topic.segments.findIndex(isNeeded);
  return topic.segments.slice(0, firstNeeded === -1 ? DROPS_MAX : Math.min(firstNeeded, DROPS_MAX));
};

/** The floors are raised in the same transaction, so that offsets go on from where they were when nothing is left. */
export const dropSegments = async (client: pg.Client, topic: CatalogTopic, segments: readonly Segment[]): Promise<void> => {
  const floors = [...topic.floors];
  for (const { ranges } of segments)
    for (const [partition, { last }] of ranges) floors[partition] = Math.max(floors[partition] ?? 0, last + 1);
  await inTransaction(client, async () => {
    await client.query(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`);
    await raiseFloors(client, topic.id, floors);
    await client.query('delete from embedded_log.segments where segment_id = any($1)', [segments.map(({ id }) => id)]);
    for (const { id } of segments) await client.query(dropSegment(id));
  });
  topic.floors.splice(0, floors.length, ...floors);
  topic.segments = topic.segments.filter((segment) => !segments.includes(segment));
};

export const purgeTombstones = async (client: pg.Client, topic: CatalogTopic, beforeMs: number): Promise<void> => {
  const old = 'from embedded_log.compacted_records where topic_id = $1 and value is null and timestamp_ms < $2';
  const { rows } = await client.query(`select 1 ${old} limit 1`, [topic.id, beforeMs]);
  if (rows.length === 0) return;
  await inTransaction(client, async () => {
    await raiseFloors(client, topic.id, topic.ends);
    await client.query(`delete ${old}`, [topic.id, beforeMs]);
  });
  topic.floors.splice(0, topic.ends.length, ...topic.ends);
};

const raiseFloors = async (client: pg.Client, topicId: number, floors: readonly number[]): Promise<void> => {
  await client.query(
    `update embedded_log.partitions as p set floor_offset = raised.floor_offset
     from unnest($2::bigint[]) with ordinality as raised (floor_offset, place)
     where p.topic_id = $1 and p.partition = raised.place - 1`,
    [topicId, [...floors]],
  );
};

export const createTopicRows = async (client: pg.Client, catalog: SegmentCatalog, spec: CatalogTopic['spec']): Promise<void> => {
  let id = 0;
  await inTransaction(client, async () => {
    const { rows } = await client.query<{ topic_id: number }>(
      `insert into embedded_log.topics (name, partitions, cleanup, retention_ms, message_bytes_max) values ($1, $2, $3, $4, $5)
       on conflict (name) do update set name = excluded.name returning topic_id`,
      [spec.name, spec.partitions, spec.cleanup, spec.retentionMs, spec.messageBytesMax],
    );
    id = rows[0]?.topic_id ?? 0;
    await client.query(
      `insert into embedded_log.partitions (topic_id, partition) select $1, generate_series(0, $2::integer - 1) on conflict do nothing`,
      [id, spec.partitions],
    );
  });
  const zeros = (): number[] => Array.from({ length: spec.partitions }, () => 0);
  catalog.topics.set(spec.name, { id, spec, floors: zeros(), ends: zeros(), segments: [] });
};
