import { describe, expect, it } from '@jest/globals';
import { chatEvents, invocationRequest, invocationResult, registryTriggers, triggerInvocationId, type Trigger } from '@cf/contract';
import { planInvocation, suppress } from './plan-invocation.js';

const trigger = registryTriggers.example.resource as Trigger;
const event = chatEvents.example;
const text = '{ "b": 1.0, "a": 12345678901234567890 }';
const acceptedAtMs = Date.parse('2026-11-22T15:04:06.001Z');

describe('planning the invocation of a trigger', () => {
  it('passes the event on as it came, under the one id of trigger and event', () => {
    const request = planInvocation(trigger, { event, text, acceptedAtMs }, 41);
    expect(request).toMatchObject({
      invocationId: triggerInvocationId(trigger.id, event.id),
      seq: 0,
      attempt: 1,
      origin: 'automatic',
      kind: 'trigger',
      body: text,
      triggerId: trigger.id,
      chatId: event.chatId,
      event: { id: event.id, type: 'ChatOpened' },
      acceptedAt: '2026-11-22T15:04:06.001Z',
      deadline: null,
      configOffset: 41,
      retryUntil: null,
    });
    expect(invocationRequest.parse(request)).toEqual(request);
  });

  it('records a suppressed invocation with its request and no attempt', () => {
    const request = planInvocation(trigger, { event: { ...event, chatId: undefined }, text, acceptedAtMs }, 41);
    const result = suppress(request, 'too_many', acceptedAtMs);
    expect(result).toMatchObject({
      disposition: 'suppressed',
      request: { chatId: null },
      outcome: null,
      attempts: [],
      failureDetail: expect.stringContaining('loop guard'),
    });
    expect(invocationResult.parse(result)).toEqual(result);
  });
});
