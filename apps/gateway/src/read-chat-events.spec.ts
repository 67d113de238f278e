import { describe, expect, it } from '@jest/globals';
import { chatEvents } from '@cf/contract';
import { readChatEvent, readChatEventLines, type ReceivedEvent } from './read-chat-events.js';

const event = chatEvents.example;
const written = (over: object = {}): string => JSON.stringify({ ...event, ...over });
const bytes = (...parts: (string | Buffer)[]): Buffer => Buffer.concat(parts.map((part) => Buffer.from(part)));
const texts = (events: readonly ReceivedEvent[]): string[] => events.map((received) => received.bytes.toString('utf8'));

const problemOf = (read: () => unknown): unknown => {
  try {
    return { accepted: read() };
  } catch (error) {
    return error;
  }
};

describe('reading one chat event', () => {
  it('keeps its bytes, whatever its spacing, numbers and unknown keys', () => {
    const body = bytes(
      `{ "n": 12345678901234567890,\n "type":"ChatOpened","id":"${event.id}", "orgId":"${event.orgId.toUpperCase()}","timestamp":"${event.timestamp}" }`,
    );
    expect(readChatEvent(body, event.orgId).bytes).toBe(body);
  });

  it.each([
    [400, '', 'invalid_json', '{"type":'],
    [400, '', 'invalid_utf8', Buffer.from([0x22, 0xff, 0x22])],
    [400, '', 'invalid_type', '[]'],
    [400, '/id', 'invalid_format', written({ id: 'seven' })],
    [400, '/orgId', 'other_organization', written({ orgId: event.id })],
    [400, '/type', 'unknown_event_type', written({ type: 'ChatReopened' })],
    [413, '', 'event_too_large', written({ text: 'x'.repeat(256 * 1024) })],
  ] as const)('refuses with %i and a pointer %s what is %s', (status, pointer, code, body) => {
    expect(problemOf(() => readChatEvent(bytes(body), event.orgId))).toMatchObject({ status, errors: [{ pointer, code }] });
  });
});

describe('reading a batch of chat events', () => {
  it('takes the bytes of each line without its end and skips empty lines', () => {
    const second = written({ id: '7f1f2c3e-52a5-4a63-8a4e-0f8f5f6d1a10' }).replace(',', ' , ');
    expect(texts(readChatEventLines(bytes(written(), '\r\n\n', second), event.orgId))).toEqual([written(), second]);
    expect(texts(readChatEventLines(bytes(written(), '\n'), event.orgId))).toEqual([written()]);
  });

  it('refuses the whole batch with the numbers of its bad lines', () => {
    const body = bytes(written(), '\n\n', '{"type":', '\n', written({ orgId: event.id }), '\n', Buffer.from([0xff]));
    expect(problemOf(() => readChatEventLines(body, event.orgId))).toMatchObject({
      status: 400,
      errors: [
        { pointer: '/3', code: 'invalid_json' },
        { pointer: '/4', code: 'other_organization', detail: expect.stringContaining('/orgId') },
        { pointer: '/5', code: 'invalid_utf8' },
      ],
    });
  });

  it('refuses a batch with a line that is too large', () => {
    const body = bytes(written(), '\n', written({ text: 'x'.repeat(256 * 1024) }));
    expect(problemOf(() => readChatEventLines(body, event.orgId))).toMatchObject({ status: 413, errors: [{ pointer: '/2' }] });
  });

  it('takes a thousand lines and no more, and at least one', () => {
    const lines = (count: number): Buffer => bytes(Array.from({ length: count }, () => written()).join('\n'));
    expect(readChatEventLines(lines(1_000), event.orgId)).toHaveLength(1_000);
    expect(problemOf(() => readChatEventLines(lines(1_001), event.orgId))).toMatchObject({ status: 413, code: 'too_many_events' });
    expect(problemOf(() => readChatEventLines(bytes('\n\r\n'), event.orgId))).toMatchObject({ status: 400 });
  });
});
