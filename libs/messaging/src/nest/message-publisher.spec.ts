import { describe, expect, it } from '@jest/globals';
import {
  chatEvents,
  stepInvocationRequests,
  stepInvocationResults,
  stepResults,
  triggerInvocationRequests,
  triggerInvocationResults,
} from '@cf/contract';
import type { OutgoingRecord, Publisher } from '../log.js';
import { headersOfMessage } from './headers-of-message.js';
import { MessagePublisher } from './message-publisher.js';

const recorded = (): { publisher: MessagePublisher; records: OutgoingRecord[] } => {
  const records: OutgoingRecord[] = [];
  const port: Publisher = {
    publish: async (record) => void records.push(record),
    close: () => Promise.resolve(),
  };
  return { publisher: new MessagePublisher(port), records };
};

const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

describe('message publisher', () => {
  it('writes key, JSON, content type and the next span of the trace', async () => {
    const { publisher, records } = recorded();
    await publisher.publish(chatEvents, chatEvents.example, { traceparent: parent });
    expect(records).toHaveLength(1);
    expect(records[0]).toMatchObject({ topic: 'chat.events', key: chatEvents.example.chatId, value: JSON.stringify(chatEvents.example) });
    expect(records[0]?.headers?.['content-type']).toBe('application/json');
    expect(records[0]?.headers?.['traceparent']).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
    expect(records[0]?.headers?.['traceparent']).not.toBe(parent);
  });

  it('keeps a given partition, given headers and the exact text', async () => {
    const { publisher, records } = recorded();
    const text = `{ "type":"ChatOpened" }`;
    await publisher.publish(chatEvents, chatEvents.example, { partition: 7, headers: { 'caused-by': 'x' }, text });
    expect(records[0]).toMatchObject({ partition: 7, value: text, headers: { 'caused-by': 'x' } });
  });

  it('refuses what its topic would not take before anything is sent', async () => {
    const { publisher, records } = recorded();
    const request = { ...stepInvocationRequests.example, body: 'é'.repeat(1024 * 1024) };
    await expect(publisher.publish(stepInvocationRequests, request)).rejects.toMatchObject({ code: 'too_large', retryable: false });
    expect(records).toEqual([]);
  });
});

describe('headers of a message', () => {
  const orgId = stepInvocationRequests.example.orgId;
  const { invocationId, step, chatId, cloudFunctionId } = stepInvocationRequests.example;

  it('name what a reader needs of an invocation request', () => {
    const common = { 'org-id': orgId, 'function-id': cloudFunctionId, 'invocation-id': invocationId, seq: '0', 'chat-id': chatId };
    expect(headersOfMessage(stepInvocationRequests, stepInvocationRequests.example)).toEqual({ ...common, 'request-id': step?.requestId });
    expect(headersOfMessage(triggerInvocationRequests, triggerInvocationRequests.example)).toEqual(common);
    expect(headersOfMessage(triggerInvocationRequests, { ...triggerInvocationRequests.example, chatId: null })).not.toHaveProperty(
      'chat-id',
    );
  });

  it('name what a reader needs of a result', () => {
    const common = { 'org-id': orgId, 'invocation-id': invocationId, seq: '0' };
    expect(headersOfMessage(stepInvocationResults, stepInvocationResults.example)).toEqual({ ...common, 'request-id': step?.requestId });
    expect(headersOfMessage(triggerInvocationResults, triggerInvocationResults.example)).toEqual(common);
    expect(headersOfMessage(stepResults, { ...stepResults.example, orgId: orgId.toUpperCase() })).toEqual({
      'org-id': orgId,
      'request-id': stepResults.example.requestId,
      'invocation-id': stepResults.example.invocationId,
    });
  });

  it('are none for a topic that nobody reads without parsing', () => {
    expect(headersOfMessage(chatEvents, chatEvents.example)).toEqual({});
  });
});
