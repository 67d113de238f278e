import type { LogRecord, ReadBackOptions } from '../log.js';
import type { LogView } from './log-view.js';
import type { PartitionLog } from './partition-log.js';

/** First offset in [from, until) whose record is not older than `sinceMs`: times never go down along a partition. */
const firstOffsetSince = async (view: LogView, log: PartitionLog, from: number, until: number, sinceMs: number): Promise<number> => {
  let low = from;
  let high = until;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [record] = (await chunkFrom(view, log, middle, until, 1)).records;
    if (record === undefined || record.timestampMs >= sinceMs) high = middle;
    else low = record.offset + 1;
  }
  return low;
};

const chunkFrom = async (view: LogView, log: PartitionLog, from: number, until: number, recordsMax?: number) => {
  const atHand = view.chunkAtHand(log, from);
  if (atHand === null) return view.readChunk(log, from, until, recordsMax);
  const records = atHand.records.filter((record) => record.offset < until);
  return { records, nextOffset: Math.min(atHand.nextOffset, until) };
};

export async function* readBack(view: LogView, options: ReadBackOptions): AsyncGenerator<readonly LogRecord[]> {
  const log = view.partition(options.topic, options.partition);
  const until = Math.min(options.untilOffset, log.endOffset);
  const oldest = Math.max(log.startOffset, until - options.recordsMax);
  let position = await firstOffsetSince(view, log, oldest, until, options.sinceMs);
  while (position < until) {
    const chunk = await chunkFrom(view, log, position, until);
    if (chunk.records.length > 0) yield chunk.records;
    position = chunk.nextOffset;
  }
}
