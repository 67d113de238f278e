import type { LogRecord } from '../log.js';
import { createErrorFromCode, Decoder } from './kafkajs-internals.js';
import { readBatches } from './record-batches.js';

export interface FetchedPartition {
  /** Without prefix. */
  readonly topic: string;
  readonly partition: number;
  readonly error: Error | null;
  readonly records: readonly LogRecord[];
  /** Where to fetch next: after the last whole batch, also when compaction or a transaction left nothing of it. Null: nothing came. */
  readonly nextOffset: number | null;
}

/** The version that kafkajs asks for, spoken by every broker since Kafka 2.3. */
const FETCH_VERSION = 11;

const failure = (error: unknown): Pick<FetchedPartition, 'error' | 'records' | 'nextOffset'> => ({
  error: error instanceof Error ? error : new Error(String(error)),
  records: [],
  nextOffset: null,
});

async function decodePartition(topic: string, decoder: Decoder): Promise<FetchedPartition> {
  const partition = decoder.readInt32();
  const errorCode = decoder.readInt16();
  decoder.readInt64(); // high watermark
  decoder.readInt64(); // last stable offset
  decoder.readInt64(); // log start offset
  const abortedTransactions = decoder.readArray((each) => ({
    producerId: BigInt(each.readInt64().toString()),
    firstOffset: Number(each.readInt64().toString()),
  }));
  decoder.readInt32(); // preferred read replica
  const bytes = decoder.readBytes();
  if (errorCode !== 0) return { topic, partition, ...failure(createErrorFromCode(errorCode)) };
  try {
    return { topic, partition, error: null, ...(await readBatches(bytes ?? Buffer.alloc(0), { topic, partition }, abortedTransactions)) };
  } catch (error) {
    return { topic, partition, ...failure(error) };
  }
}

/**
 * Reads the answer to a fetch. kafkajs's own reading drops where a batch ends, so that a batch emptied by compaction is asked for
 * again for ever, lets one partition's error hide the records of all others, and makes a dozen objects of every header.
 */
export async function decodeFetchAnswer(
  raw: Buffer,
  apiVersion: number,
  logical: (topic: string) => string,
): Promise<readonly FetchedPartition[]> {
  if (apiVersion !== FETCH_VERSION)
    throw new Error(`the broker speaks Fetch ${apiVersion}, ${FETCH_VERSION} is needed (Kafka 2.3 or newer)`);
  const decoder = new Decoder(raw);
  decoder.readInt32(); // throttle time
  const errorCode = decoder.readInt16();
  decoder.readInt32(); // session
  if (errorCode !== 0) throw createErrorFromCode(errorCode);
  const topics = await decoder.readArrayAsync(async (each) => {
    const topic = logical(each.readString());
    return each.readArrayAsync((inner) => decodePartition(topic, inner));
  });
  return topics.flat();
}
