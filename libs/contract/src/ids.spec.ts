import { describe, expect, it } from '@jest/globals';
import { stepInvocationId, triggerInvocationId, uuid } from './ids.js';
import { stepExecutionBody, stepRequests } from './step-request.js';

const [a, b] = ['0d1c7a52-8f1e-4a0e-9a63-0c6a1c6f5d11', '9a0c5b1e-3e5d-4a3f-8f65-5a3a1d1c7e01'];

describe('derived ids', () => {
  it('are the same in either case of letters and differ by organization, request, trigger and event', () => {
    expect(stepInvocationId(a.toUpperCase(), b)).toBe(stepInvocationId(a, b.toUpperCase()));
    const ids = [stepInvocationId(a, b), stepInvocationId(b, a), triggerInvocationId(a, b), triggerInvocationId(b, a)];
    expect(new Set(ids).size).toBe(4);
    for (const id of ids) expect(uuid.safeParse(id).success).toBe(true);
  });

  it('never change: a running invocation would become another one', () => {
    expect(stepInvocationId(a, b)).toBe('c9c71c48-175e-502e-8013-280e17976ef6');
    expect(triggerInvocationId(a, b)).toBe('68ff7186-cae8-5eb5-b714-05cd8714cc32');
  });
});

describe('the body of a step', () => {
  it('has exactly the ten published keys in their order', () => {
    expect(Object.keys(JSON.parse(stepExecutionBody(stepRequests.example)) as object)).toEqual([
      'type',
      'orgId',
      'chatId',
      'executionId',
      'chatBotId',
      'chatBotName',
      'chatBotType',
      'stepName',
      'stepId',
      'timestamp',
    ]);
  });

  it('may lack a chat only for a Journey', () => {
    const without = { ...stepRequests.example, chatId: null };
    expect(stepRequests.schema.safeParse(without).success).toBe(false);
    expect(stepRequests.schema.safeParse({ ...without, chatBotType: 'Journey' }).success).toBe(true);
  });
});
