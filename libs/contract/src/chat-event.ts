import { z } from 'zod';
import { sameId, uuid } from './ids.js';
import { CHAT_EVENT_BYTES_MAX } from './limits.js';
import { rfc3339 } from './timestamp.js';
import { defineTopic } from './topic.js';

/** Something that happened in the chat platform. Keys that we do not know are kept: the event is passed on as it came. */
export const chatEvent = z.looseObject({
  type: z.string().min(1).max(200),
  id: uuid,
  orgId: uuid,
  timestamp: rfc3339,
  chatId: uuid.nullish(),
  widgetId: uuid.nullish(),
  widgetTopicId: uuid.nullish(),
  phoneNumberId: uuid.nullish(),
});
export type ChatEvent = z.infer<typeof chatEvent>;

/** Chat id, else phone number id, else event id: all of one conversation keeps its order. */
export const chatEventKey = (event: Pick<ChatEvent, 'id' | 'chatId' | 'phoneNumberId'>): string =>
  sameId(event.chatId ?? event.phoneNumberId ?? event.id);

export const chatEvents = defineTopic({
  name: 'chat.events',
  message: 'ChatEvent',
  schema: chatEvent,
  keyDescription: 'chat id, else phone number id, else event id',
  key: chatEventKey,
  cleanup: 'delete',
  partitions: 'chat-events',
  retentionMs: null,
  messageBytesMax: CHAT_EVENT_BYTES_MAX + 64 * 1024,
  example: {
    type: 'ChatOpened',
    id: '6f1f2c3e-52a5-4a63-8a4e-0f8f5f6d1a10',
    orgId: '0d1c7a52-8f1e-4a0e-9a63-0c6a1c6f5d11',
    timestamp: '2026-11-22T15:04:05.123Z',
    chatId: '7b1f0c44-9f66-4a4e-8f5d-2f3f0a7f2a10',
    widgetId: '1c8f3f0a-5a0b-4b0d-9c79-1f2d3c4b5a60',
    widgetTopicId: '2d9f4f1b-6b1c-4c1e-8d8a-2f3e4d5c6b71',
  },
});
