import { z } from 'zod';
import { TOPIC_MESSAGE_BYTES_MAX } from './limits.js';
import { rfc3339 } from './timestamp.js';
import { defineTopic } from './topic.js';

/** Whatever could not be read, raw. `reason` is a stable code; `valueSha256` is of the whole value, also when it was cut. */
export const deadLetter = z.object({
  origin: z.object({ topic: z.string(), partition: z.number().int(), offset: z.number().int() }),
  reason: z.enum(['not_utf8', 'not_json', 'invalid_message', 'too_large', 'handler_failed', 'internal']),
  detail: z.string(),
  receivedAt: rfc3339,
  key: z.string().nullable(),
  valueBase64: z.string().nullable(),
  valueSha256: z.string().nullable(),
  truncated: z.boolean(),
  headers: z.record(z.string(), z.string()),
});
export type DeadLetter = z.infer<typeof deadLetter>;

export const deadLetters = defineTopic({
  name: 'dead.letters',
  message: 'DeadLetter',
  schema: deadLetter,
  keyDescription: 'origin',
  key: (letter) => `${letter.origin.topic}/${letter.origin.partition}/${letter.origin.offset}`,
  cleanup: 'delete',
  partitions: 'one',
  retentionMs: null,
  messageBytesMax: TOPIC_MESSAGE_BYTES_MAX,
  example: {
    origin: { topic: 'chat.events', partition: 3, offset: 118 },
    reason: 'not_json',
    detail: 'Unexpected end of JSON input',
    receivedAt: '2026-11-22T15:04:05.123Z',
    key: null,
    valueBase64: 'eyJ0eXBlIjo=',
    valueSha256: '0f2a',
    truncated: false,
    headers: {},
  },
});
