import type pg from 'pg';
import type { LogRecord, OffsetCommit, TopicSpec } from '../../log.js';
import type { StoredGroup } from '../log-storage.js';
import { recordBytes } from '../log-storage.js';
import { rangesOfSegment } from './schema.js';

export interface OffsetRange {
  readonly first: number;
  last: number;
}

export interface Segment {
  readonly id: number;
  readonly createdAtMs: number;
  readonly ranges: Map<number, OffsetRange>;
  lastTimestampMs: number;
  bytes: number;
  closed: boolean;
}

export interface CatalogTopic {
  readonly id: number;
  readonly spec: TopicSpec;
  /** Ends are never below these; in an ordinary topic everything below was dropped. */
  readonly floors: number[];
  /** Of one partition each, the offset of the next record. */
  readonly ends: number[];
  /** Oldest first; only the last one may be open. Empty for a compacted topic. */
  segments: Segment[];
}

/** What lies in the tables, as far as one has to know to append, read and drop. */
export class SegmentCatalog {
  readonly topics = new Map<string, CatalogTopic>();
  lastTimestampMs = 0;

  topic(name: string): CatalogTopic {
    const topic = this.topics.get(name);
    if (topic === undefined) throw new Error(`there is no topic ${name}`);
    return topic;
  }

  openSegment(topic: CatalogTopic): Segment | null {
    const last = topic.segments.at(-1);
    return last === undefined || last.closed ? null : last;
  }

  appended(records: readonly LogRecord[]): void {
    for (const record of records) {
      const topic = this.topic(record.topic);
      topic.ends[record.partition] = record.offset + 1;
      this.lastTimestampMs = record.timestampMs;
      const segment = this.openSegment(topic);
      if (segment === null) continue;
      const range = segment.ranges.get(record.partition);
      if (range === undefined) segment.ranges.set(record.partition, { first: record.offset, last: record.offset });
      else range.last = record.offset;
      segment.lastTimestampMs = record.timestampMs;
      segment.bytes += recordBytes(record);
    }
  }

  /** How many records each partition ends beyond what this catalog says; null when it is not a continuation of it. */
  growthSince(earlier: SegmentCatalog): Map<string, number> | null {
    const growth = new Map<string, number>();
    for (const [name, topic] of earlier.topics) {
      const present = this.topics.get(name);
      for (const [partition, end] of topic.ends.entries()) {
        const grown = (present?.ends[partition] ?? -1) - end;
        if (grown < 0) return null;
        if (grown > 0) growth.set(`${name} ${partition}`, grown);
      }
    }
    return growth;
  }
}

export const loadCatalog = async (client: pg.Client): Promise<SegmentCatalog> => {
  const catalog = new SegmentCatalog();
  const topics = await client.query<TopicRow>('select * from embedded_log.topics order by topic_id');
  for (const row of topics.rows) {
    const topic: CatalogTopic = { id: row.topic_id, spec: specOf(row), floors: [], ends: [], segments: [] };
    catalog.topics.set(row.name, topic);
    const floors = await client.query<{ floor_offset: string }>(
      'select floor_offset from embedded_log.partitions where topic_id = $1 order by partition',
      [topic.id],
    );
    for (const { floor_offset } of floors.rows) topic.floors.push(Number(floor_offset));
    topic.ends.push(...topic.floors);
    if (topic.spec.cleanup === 'compact') await loadCompacted(client, catalog, topic);
    else await loadSegments(client, catalog, topic);
  }
  return catalog;
};

const loadCompacted = async (client: pg.Client, catalog: SegmentCatalog, topic: CatalogTopic): Promise<void> => {
  const { rows } = await client.query<{ partition: number; last_offset: string; last_timestamp_ms: string }>(
    `select partition, max("offset") as last_offset, max(timestamp_ms) as last_timestamp_ms
     from embedded_log.compacted_records where topic_id = $1 group by partition`,
    [topic.id],
  );
  for (const row of rows) {
    topic.ends[row.partition] = Math.max(topic.ends[row.partition] ?? 0, Number(row.last_offset) + 1);
    catalog.lastTimestampMs = Math.max(catalog.lastTimestampMs, Number(row.last_timestamp_ms));
  }
};

const loadSegments = async (client: pg.Client, catalog: SegmentCatalog, topic: CatalogTopic): Promise<void> => {
  const segments = await client.query<SegmentRow>(
    `select segment_id, created_at_ms, closed, pg_total_relation_size('embedded_log.records_' || segment_id) as bytes
     from embedded_log.segments where topic_id = $1 order by segment_id`,
    [topic.id],
  );
  for (const row of segments.rows) {
    const ranges = row.closed
      ? await client.query<RangeRow>('select * from embedded_log.closed_ranges where segment_id = $1', [row.segment_id])
      : await client.query<RangeRow>(rangesOfSegment(row.segment_id), [topic.spec.partitions]);
    const segment: Segment = {
      id: row.segment_id,
      createdAtMs: Number(row.created_at_ms),
      closed: row.closed,
      bytes: Number(row.bytes),
      ranges: new Map(),
      lastTimestampMs: 0,
    };
    for (const range of ranges.rows) {
      segment.ranges.set(range.partition, { first: Number(range.first_offset), last: Number(range.last_offset) });
      segment.lastTimestampMs = Math.max(segment.lastTimestampMs, Number(range.last_timestamp_ms));
      topic.ends[range.partition] = Math.max(topic.ends[range.partition] ?? 0, Number(range.last_offset) + 1);
    }
    catalog.lastTimestampMs = Math.max(catalog.lastTimestampMs, segment.lastTimestampMs);
    topic.segments.push(segment);
  }
};

export const loadGroups = async (client: pg.Client): Promise<StoredGroup[]> => {
  const groups = await client.query<{ group_name: string; topic: string; topic_id: number; seen_at_ms: string }>(
    'select group_name, name as topic, topic_id, seen_at_ms from embedded_log.groups join embedded_log.topics using (topic_id)',
  );
  const commits = await client.query<{ group_name: string; topic_id: number; partition: number; offset: string; metadata: string }>(
    'select * from embedded_log.committed_offsets',
  );
  return groups.rows.map(({ group_name, topic, topic_id, seen_at_ms }) => ({
    group: group_name,
    topic,
    seenAtMs: Number(seen_at_ms),
    commits: commits.rows
      .filter((commit) => commit.group_name === group_name && commit.topic_id === topic_id)
      .map(({ partition, offset, metadata }): OffsetCommit => ({ topic, partition, offset: Number(offset), metadata })),
  }));
};

interface TopicRow {
  readonly topic_id: number;
  readonly name: string;
  readonly partitions: number;
  readonly cleanup: 'delete' | 'compact';
  readonly retention_ms: string | null;
  readonly message_bytes_max: number;
}

interface SegmentRow {
  readonly segment_id: number;
  readonly created_at_ms: string;
  readonly closed: boolean;
  readonly bytes: string;
}

interface RangeRow {
  readonly partition: number;
  readonly first_offset: string;
  readonly last_offset: string;
  readonly last_timestamp_ms: string;
}

const specOf = (row: TopicRow): TopicSpec => ({
  name: row.name,
  partitions: row.partitions,
  cleanup: row.cleanup,
  retentionMs: row.retention_ms === null ? null : Number(row.retention_ms),
  messageBytesMax: row.message_bytes_max,
});
