import { describe, expect, it } from '@jest/globals';
import { stepRequests } from '@cf/contract';
import { readFragment } from './unreadable-request.js';

const { requestId, orgId, executionId, chatId, stepId, cloudFunctionId } = stepRequests.example;

describe('reading a request that does not fit its schema', () => {
  it('finds nothing without a request id', () => {
    for (const json of [undefined, null, 4, 'text', [], {}, { requestId: 7 }, { requestId: 'not-an-id', orgId }])
      expect(readFragment(json)).toBeNull();
  });

  it('keeps what can be read and leaves the rest null', () => {
    expect(readFragment({ requestId, orgId: 'acme', executionId: 12, chatId: {}, failureBranch: 'yes' })).toEqual({
      requestId,
      orgId: null,
      executionId: null,
      chatId: null,
      stepId: null,
      cloudFunctionId: null,
      failureBranch: false,
    });
    expect(readFragment({ ...stepRequests.example, stepName: 5 })).toEqual({
      requestId,
      orgId,
      executionId,
      chatId,
      stepId,
      cloudFunctionId,
      failureBranch: true,
    });
  });
});
