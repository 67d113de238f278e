import type { LogRecord } from '../../log.js';

/**
 * Records as parameters of one statement: numbers as arrays, all bytes in one blob that the statement cuts up.
 * An array of byte strings would be sent as escaped hex, twice the size and many times the work.
 */
const CUT_UP = `
  select r.home, r.partition, r."offset", r.timestamp_ms,
    substring($9::bytea from r.start_at for r.key_length),
    substring($9::bytea from r.start_at + coalesce(r.key_length, 0) for r.headers_length),
    substring($9::bytea from r.start_at + coalesce(r.key_length, 0) + coalesce(r.headers_length, 0) for r.value_length)
  from unnest($1::integer[], $2::integer[], $3::bigint[], $4::bigint[], $5::integer[], $6::integer[], $7::integer[], $8::integer[])
    as r (home, partition, "offset", timestamp_ms, start_at, key_length, headers_length, value_length)`;

export const INSERT_RECORDS = {
  name: 'insert_records',
  text: `insert into embedded_log.records (segment_id, partition, "offset", timestamp_ms, key, headers, value) ${CUT_UP}`,
};

export const UPSERT_COMPACTED = {
  name: 'upsert_compacted',
  text: `insert into embedded_log.compacted_records (topic_id, partition, "offset", timestamp_ms, key, headers, value) ${CUT_UP}
    on conflict (topic_id, partition, key) do update
    set "offset" = excluded."offset", timestamp_ms = excluded.timestamp_ms, headers = excluded.headers, value = excluded.value`,
};

const arrayOf = (values: readonly (number | null)[]): string => `{${values.map((value) => value ?? 'null').join()}}`;

/** `homeOf` gives the segment or the compacted topic that a record goes to. */
export const batchParameters = (records: readonly LogRecord[], homeOf: (record: LogRecord) => number): (string | Buffer)[] => {
  const bytes: Buffer[] = [];
  const startsAt: number[] = [];
  const lengths: Record<'key' | 'headers' | 'value', (number | null)[]> = { key: [], headers: [], value: [] };
  // Postgres counts bytes from one.
  let at = 1;
  for (const record of records) {
    startsAt.push(at);
    const headers = Object.keys(record.headers).length === 0 ? null : Buffer.from(JSON.stringify(record.headers));
    for (const [name, part] of Object.entries({ key: record.key, headers, value: record.value })) {
      lengths[name as keyof typeof lengths].push(part?.length ?? null);
      if (part === null) continue;
      bytes.push(part);
      at += part.length;
    }
  }
  return [
    arrayOf(records.map(homeOf)),
    arrayOf(records.map(({ partition }) => partition)),
    arrayOf(records.map(({ offset }) => offset)),
    arrayOf(records.map(({ timestampMs }) => timestampMs)),
    arrayOf(startsAt),
    arrayOf(lengths.key),
    arrayOf(lengths.headers),
    arrayOf(lengths.value),
    Buffer.concat(bytes),
  ];
};

/** Two rows of one key cannot be upserted by one statement; only the last would stay anyway. */
export const lastPerKey = (records: readonly LogRecord[]): LogRecord[] => {
  const last = new Map<string, LogRecord>();
  for (const record of records) {
    const place = `${record.topic} ${record.partition} ${record.key?.toString('latin1') ?? ''}`;
    last.set(place, record);
  }
  return [...last.values()];
};

export interface RecordRow {
  readonly offset: string;
  readonly timestamp_ms: string;
  readonly key: Buffer | null;
  readonly headers: Buffer | null;
  readonly value: Buffer | null;
}

export const recordOf = (topic: string, partition: number, row: RecordRow): LogRecord => ({
  topic,
  partition,
  offset: Number(row.offset),
  key: row.key,
  value: row.value,
  headers: row.headers === null ? {} : (JSON.parse(row.headers.toString()) as Record<string, string>),
  timestampMs: Number(row.timestamp_ms),
});
