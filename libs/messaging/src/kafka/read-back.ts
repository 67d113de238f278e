import type { LogRecord, ReadBackOptions } from '../log.js';
import { BackOff } from './waiting.js';
import type { Connection } from './connection.js';
import { decodeFetchAnswer, type FetchedPartition } from './fetch-answer.js';
import { request } from './kafkajs-internals.js';
import { EARLIEST, LATEST, listOffsets, READ_COMMITTED } from './offsets.js';

const CHUNK_BYTES = 1024 * 1024;
/** What lies behind is there, so the wait only bounds a fetch into a gap at the very end. */
const WAIT_MS = 50;
/** As long as a broker needs to come back or a leader to be elected; then the caller decides. */
const GIVE_UP_MS = 30_000;

/** Tries again while the cluster is away for a moment. */
async function withRetries<T>(connection: Connection, work: () => Promise<T>): Promise<T> {
  const giveUpAtMs = performance.now() + GIVE_UP_MS;
  const backOff = new BackOff();
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (connection.closed || performance.now() > giveUpAtMs) throw error;
      await connection.failed(error);
      await backOff.wait();
    }
  }
}

async function offsetAt(connection: Connection, { topic, partition }: ReadBackOptions, timestamp: number): Promise<number | null> {
  return (await withRetries(connection, () => listOffsets(connection, topic, timestamp, [partition]))).get(partition) ?? null;
}

async function fetchOne(connection: Connection, { topic, partition }: ReadBackOptions, offset: number): Promise<FetchedPartition> {
  const name = connection.physical(topic);
  const leader = (await connection.leaders(name))[partition];
  if (leader === undefined) throw new Error(`${topic} has no partition ${partition}`);
  const topics = [{ topic: name, partitions: [{ partition, fetchOffset: String(offset), maxBytes: CHUNK_BYTES }] }];
  const options = { maxWaitTime: WAIT_MS, minBytes: 1, maxBytes: CHUNK_BYTES, isolationLevel: READ_COMMITTED, topics };
  const decode = (raw: Buffer, apiVersion: number): Promise<readonly FetchedPartition[]> =>
    decodeFetchAnswer(raw, apiVersion, (each) => connection.logical(each));
  const [answer] = await request(await connection.broker(leader), 'Fetch', options, { decode });
  if (answer === undefined) throw new Error(`the broker did not answer for ${topic}[${partition}]`);
  if (answer.error !== null) throw answer.error;
  if (answer.nextOffset === null) throw new Error(`nothing came of ${topic}[${partition}] at ${offset}`);
  return answer;
}

/** Reads the records between the time, count and end asked for, oldest first. */
export async function* readBack(connection: Connection, options: ReadBackOptions): AsyncIterable<readonly LogRecord[]> {
  const { untilOffset, sinceMs, recordsMax } = options;
  const end = Math.min(untilOffset, (await offsetAt(connection, options, LATEST)) ?? 0);
  // No record is as new as that: nothing to read.
  const since = (await offsetAt(connection, options, sinceMs)) ?? end;
  let offset = Math.max(since, end - recordsMax);
  while (offset < end) {
    const from = offset;
    const answer = await withRetries(connection, async () => {
      try {
        return await fetchOne(connection, options, from);
      } catch (error) {
        if ((error as { type?: string }).type !== 'OFFSET_OUT_OF_RANGE') throw error;
        return null;
      }
    });
    if (answer === null) {
      // Deleted between asking where to begin and reading it.
      offset = Math.max(from + 1, (await offsetAt(connection, options, EARLIEST)) ?? end);
      continue;
    }
    connection.works();
    const chunk = answer.records.filter((record) => record.offset >= from && record.offset < end && record.timestampMs >= sinceMs);
    if (chunk.length > 0) yield chunk;
    offset = Math.max(from, answer.nextOffset ?? from);
  }
}
