import { createHash } from 'node:crypto';
import { DEAD_LETTER_VALUE_BYTES_MAX, deadLetters, messageHeader, writeTime, type DeadLetter } from '@cf/contract';
import type { LogRecord } from '../log.js';
import type { MessagePublisher } from './message-publisher.js';

/** A detail is for a person; an error may carry a whole answer. */
const DETAIL_CHARS_MAX = 1_000;
/** Foreign headers count towards the letter's size; the rest of the record says enough. */
const HEADER_CHARS_MAX = 64 * 1024;

/** A record as a dead letter: raw, with where it came from and why. The hash is of the whole value, also when it was cut. */
export const deadLetterOf = (record: LogRecord, reason: DeadLetter['reason'], detail: string): DeadLetter => {
  const { topic, partition, offset, key, value } = record;
  return {
    origin: { topic, partition, offset },
    reason,
    detail: detail.slice(0, DETAIL_CHARS_MAX),
    receivedAt: writeTime(record.timestampMs),
    key: key === null ? null : key.toString('utf8').slice(0, HEADER_CHARS_MAX),
    valueBase64: value === null ? null : value.subarray(0, DEAD_LETTER_VALUE_BYTES_MAX).toString('base64'),
    valueSha256: value === null ? null : createHash('sha256').update(value).digest('hex'),
    truncated: value !== null && value.byteLength > DEAD_LETTER_VALUE_BYTES_MAX,
    headers: headersWithin(record.headers, HEADER_CHARS_MAX),
  };
};

const headersWithin = (headers: Readonly<Record<string, string>>, charsMax: number): Record<string, string> => {
  const kept: Record<string, string> = {};
  let chars = 0;
  for (const [name, value] of Object.entries(headers)) {
    chars += name.length + value.length;
    if (chars > charsMax) break;
    kept[name] = value;
  }
  return kept;
};

/** Resolves when the letter is acknowledged: only then does the record count as done. */
export const publishDeadLetter = (publisher: MessagePublisher, letter: DeadLetter, record: LogRecord): Promise<void> => {
  const traceparent = record.headers[messageHeader.traceparent];
  return publisher.publish(deadLetters, letter, traceparent === undefined ? {} : { traceparent });
};
