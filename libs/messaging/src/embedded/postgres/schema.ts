/**
 * The tables of the embedded log, its alone. Versions are applied in order, each in a transaction, by the process that holds the lock.
 *
 * Records of an ordinary topic lie in segments: partitions of `records` that belong to one topic and are dropped as a whole, which costs
 * the same however much they hold. Compacted topics share `compacted_records`, one row per key. `floor_offset` is what survives of
 * dropped records: the end of a partition is never below it.
 */
import type pg from 'pg';

const VERSIONS: readonly string[] = [
  `
  create table embedded_log.owner (singleton boolean primary key default true check (singleton), owner uuid not null);

  create table embedded_log.topics (
    topic_id integer generated always as identity primary key,
    name text not null unique,
    partitions integer not null check (partitions > 0),
    cleanup text not null check (cleanup in ('delete', 'compact')),
    retention_ms bigint,
    message_bytes_max integer not null
  );

  create table embedded_log.partitions (
    topic_id integer not null references embedded_log.topics,
    partition integer not null,
    floor_offset bigint not null default 0,
    primary key (topic_id, partition)
  );

  create table embedded_log.segments (
    segment_id integer generated always as identity primary key,
    topic_id integer not null references embedded_log.topics,
    created_at_ms bigint not null,
    closed boolean not null default false
  );

  create table embedded_log.closed_ranges (
    segment_id integer not null references embedded_log.segments on delete cascade,
    partition integer not null,
    first_offset bigint not null,
    last_offset bigint not null,
    last_timestamp_ms bigint not null,
    primary key (segment_id, partition)
  );

  create table embedded_log.records (
    segment_id integer not null,
    partition integer not null,
    "offset" bigint not null,
    timestamp_ms bigint not null,
    key bytea,
    headers bytea,
    value bytea
  ) partition by list (segment_id);

  create table embedded_log.compacted_records (
    topic_id integer not null,
    partition integer not null,
    "offset" bigint not null,
    timestamp_ms bigint not null,
    key bytea not null,
    headers bytea,
    value bytea,
    primary key (topic_id, partition, key)
  );
  alter table embedded_log.compacted_records alter column value set storage external;
  create unique index on embedded_log.compacted_records (topic_id, partition, "offset");
  create index on embedded_log.compacted_records (topic_id, timestamp_ms) where value is null;

  create table embedded_log.groups (
    group_name text not null,
    topic_id integer not null references embedded_log.topics,
    seen_at_ms bigint not null,
    primary key (group_name, topic_id)
  );

  create table embedded_log.committed_offsets (
    group_name text not null,
    topic_id integer not null,
    partition integer not null,
    "offset" bigint not null,
    metadata text not null,
    primary key (group_name, topic_id, partition),
    foreign key (group_name, topic_id) references embedded_log.groups
  ) with (fillfactor = 50);
  `,
];

export const migrate = async (client: pg.Client): Promise<void> => {
  // An operator may have made the schema for a login that may not make one.
  const { rows: schemas } = await client.query(`select where to_regnamespace('embedded_log') is null`);
  if (schemas.length > 0) await client.query('create schema embedded_log');
  await client.query(
    'create table if not exists embedded_log.schema_version (version integer primary key, applied_at timestamptz not null default now())',
  );
  const { rows } = await client.query<{ version: number }>('select coalesce(max(version), 0) as version from embedded_log.schema_version');
  const present = rows[0]?.version ?? 0;
  if (present > VERSIONS.length) throw new Error(`schema embedded_log has version ${present}, this program knows ${VERSIONS.length}`);
  for (const [index, statements] of VERSIONS.entries()) {
    if (index < present) continue;
    await client.query(`begin; ${statements}; insert into embedded_log.schema_version (version) values (${index + 1}); commit`);
  }
};

const segmentTable = (segmentId: number): string => `embedded_log.records_${segmentId}`;

/** Dropped as a whole, so never vacuumed; compression would cost more than the few minutes of disk it saves. */
export const createSegment = (segmentId: number): string => `
  create table ${segmentTable(segmentId)} (like embedded_log.records, check (segment_id = ${segmentId}), primary key (partition, "offset"))
    with (autovacuum_enabled = false, toast.autovacuum_enabled = false);
  alter table ${segmentTable(segmentId)} alter column value set storage external;
  alter table embedded_log.records attach partition ${segmentTable(segmentId)} for values in (${segmentId});
`;

export const dropSegment = (segmentId: number): string => `drop table if exists ${segmentTable(segmentId)}`;

/** Takes records until the bytes before the next one exceed the bound, so the first is always among them. */
const page = (from: string, where: string): string => `
  select "offset", timestamp_ms, key, headers, value
  from (
    select *, coalesce(sum(coalesce(octet_length(value), 0) + coalesce(octet_length(headers), 0) + 200)
      over (order by "offset" rows between unbounded preceding and 1 preceding), 0) as bytes_before
    from (select * from ${from} where ${where} order by "offset" limit $4) as found
  ) as measured
  where bytes_before < $5
  order by "offset"`;

export const readSegment = (segmentId: number): string =>
  page(segmentTable(segmentId), 'partition = $1 and "offset" >= $2 and "offset" < $3');

export const READ_COMPACTED = page(
  'embedded_log.compacted_records',
  'partition = $1 and "offset" >= $2 and "offset" < $3 and topic_id = $6',
);

/** What an open segment holds; a closed one has it written down. */
export const rangesOfSegment = (segmentId: number): string => `
  select partition, first_offset, last_offset,
    (select timestamp_ms from ${segmentTable(segmentId)} where partition = p.partition and "offset" = last_offset) as last_timestamp_ms
  from generate_series(0, $1::integer - 1) as p (partition),
    lateral (select min("offset") as first_offset, max("offset") as last_offset from ${segmentTable(segmentId)} where partition = p.partition) as held
  where first_offset is not null`;
