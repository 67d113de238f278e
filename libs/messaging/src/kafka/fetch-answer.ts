import type { LogRecord } from '../log.js';
import { createErrorFromCode, decodeRecordBatch, Decoder, withoutAborted, type RawRecord } from './kafkajs-internals.js';

export interface FetchedPartition {
  /** As on the wire, with prefix. */
  readonly topic: string;
  readonly partition: number;
  readonly error: Error | null;
  readonly records: readonly RawRecord[];
  /** Where to fetch next: after the last whole batch, also when compaction or a transaction left nothing of it. Null: nothing came. */
  readonly nextOffset: number | null;
}

/** The version that kafkajs asks for, spoken by every broker since Kafka 2.3. */
const FETCH_VERSION = 11;
/** What is left of a batch's header after offset and length; less than that is the cut-off end of an answer. */
const BATCH_OVERHEAD_BYTES = 49;

const failure = (error: unknown): Pick<FetchedPartition, 'error' | 'records' | 'nextOffset'> => ({
  error: error instanceof Error ? error : new Error(String(error)),
  records: [],
  nextOffset: null,
});

async function decodeBatches(bytes: Buffer | null): Promise<{ records: RawRecord[]; nextOffset: number | null }> {
  const records: RawRecord[] = [];
  let nextOffset: number | null = null;
  const decoder = new Decoder(bytes ?? Buffer.alloc(0));
  while (decoder.canReadBytes(BATCH_OVERHEAD_BYTES)) {
    try {
      const batch = await decodeRecordBatch(decoder);
      nextOffset = Number(batch.firstOffset) + batch.lastOffsetDelta + 1;
      for (const record of batch.records) records.push(record);
    } catch (error) {
      if ((error as Error).name === 'KafkaJSPartialMessageError') break;
      throw error;
    }
  }
  return { records, nextOffset };
}

async function decodePartition(topic: string, decoder: Decoder): Promise<FetchedPartition> {
  const partition = decoder.readInt32();
  const errorCode = decoder.readInt16();
  decoder.readInt64(); // high watermark
  decoder.readInt64(); // last stable offset
  decoder.readInt64(); // log start offset
  const abortedTransactions = decoder.readArray((each) => ({
    producerId: each.readInt64().toString(),
    firstOffset: each.readInt64().toString(),
  }));
  decoder.readInt32(); // preferred read replica
  const bytes = decoder.readBytes();
  if (errorCode !== 0) return { topic, partition, ...failure(createErrorFromCode(errorCode)) };
  try {
    const { records, nextOffset } = await decodeBatches(bytes);
    const visible = withoutAborted({ messages: records, abortedTransactions }).filter((record) => !record.isControlRecord);
    return { topic, partition, error: null, records: visible, nextOffset };
  } catch (error) {
    return { topic, partition, ...failure(error) };
  }
}

/**
 * Reads the answer to a fetch. kafkajs's own reading drops where a batch ends, so that a batch emptied by compaction is asked for
 * again for ever, and lets one partition's error hide the records of all others.
 */
export async function decodeFetchAnswer(raw: Buffer, apiVersion: number): Promise<readonly FetchedPartition[]> {
  if (apiVersion !== FETCH_VERSION)
    throw new Error(`the broker speaks Fetch ${apiVersion}, ${FETCH_VERSION} is needed (Kafka 2.3 or newer)`);
  const decoder = new Decoder(raw);
  decoder.readInt32(); // throttle time
  const errorCode = decoder.readInt16();
  decoder.readInt32(); // session
  if (errorCode !== 0) throw createErrorFromCode(errorCode);
  const topics = await decoder.readArrayAsync(async (each) => {
    const topic = each.readString();
    return each.readArrayAsync((inner) => decodePartition(topic, inner));
  });
  return topics.flat();
}

const headerText = (value: Buffer | null | readonly (Buffer | null)[]): string => {
  const last = Array.isArray(value) ? (value.at(-1) as Buffer | null) : (value as Buffer | null);
  return last?.toString() ?? '';
};

/** Copies: what kafkajs gives are slices, and a small one would hold a whole fetch of megabytes in memory. */
export const toLogRecord = (topic: string, partition: number, raw: RawRecord): LogRecord => {
  const headers: Record<string, string> = {};
  for (const name in raw.headers) headers[name] = headerText(raw.headers[name] ?? null);
  return {
    topic,
    partition,
    offset: Number(raw.offset),
    key: raw.key === null ? null : Buffer.from(raw.key),
    value: raw.value === null ? null : Buffer.from(raw.value),
    headers,
    timestampMs: Number(raw.timestamp),
  };
};
