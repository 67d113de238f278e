import { describe, expect, it } from '@jest/globals';
import { stepRequests } from '@cf/contract';
import { readStepRequest } from './read-step-request.js';

const { orgId, ...body } = stepRequests.example;

const problemOf = (read: () => unknown): unknown => {
  try {
    return { accepted: read() };
  } catch (error) {
    return error;
  }
};

describe('reading a step request', () => {
  it('takes the organization of the path', () => {
    expect(readStepRequest(body, orgId)).toEqual(stepRequests.example);
    expect(readStepRequest({ ...body, orgId: orgId.toUpperCase() }, orgId).orgId).toBe(orgId);
  });

  it.each([
    ['', undefined],
    ['', [body]],
    ['/orgId', { ...body, orgId: body.requestId }],
    ['/orgId', { ...body, orgId: 7 }],
    ['/requestId', { ...body, requestId: 'one' }],
    ['/chatId', { ...body, chatId: null }],
    ['/deadline', { ...body, deadline: 'soon' }],
  ])('refuses with a pointer %s', (pointer, given) => {
    expect(problemOf(() => readStepRequest(given, orgId))).toMatchObject({ status: 400, errors: [{ pointer }] });
  });
});
