import { describe, expect, it } from '@jest/globals';
import { failureReason, stepInvocationResults, stepRequests, stepResult, type InvocationResult } from '@cf/contract';
import { decideFailedResult, decideResult } from './decide-result.js';

const request = stepRequests.example;
const options = ['Scheduled', 'NotScheduled'];
const acceptedAtMs = Date.parse('2026-11-22T15:04:05.130Z');
const times = { acceptedAtMs, nowMs: acceptedAtMs + 290 };
const answered = (over: Partial<InvocationResult>): InvocationResult => ({ ...stepInvocationResults.example, ...over });
const attribute = (value: string) => ({ name: 'AppointmentState', value });

describe('deciding the result of a step', () => {
  it.each([
    [
      'an option',
      { returnValue: 'Scheduled' },
      { branch: { kind: 'option', option: 'Scheduled' }, branchReason: 'matched', attribute: attribute('Scheduled') },
    ],
    [
      'an unknown value',
      { returnValue: 'Maybe' },
      { branch: { kind: 'default', option: null }, branchReason: 'default_unknown_value', attribute: attribute('Maybe'), nearMiss: null },
    ],
    [
      'a near miss',
      { returnValue: ' scheduled' },
      {
        branch: { kind: 'default', option: null },
        branchReason: 'default_unknown_value',
        attribute: attribute(' scheduled'),
        nearMiss: 'Scheduled',
      },
    ],
    [
      'nothing',
      { returnValue: null },
      { branch: { kind: 'default', option: null }, branchReason: 'default_empty', attribute: attribute('') },
    ],
    [
      'nonsense',
      { returnValue: null, warning: 'not_json' },
      { branch: { kind: 'default', option: null }, branchReason: 'default_invalid_response', attribute: null, warning: 'not_json' },
    ],
  ] as const)('takes the branch of %s', (_, came, expected) => {
    const result = decideResult(request, answered(came), options, times);
    expect(result).toMatchObject({ outcome: 'succeeded', failureReason: null, httpStatus: 200, attempts: 1, durationMs: 290, ...expected });
    expect(stepResult.parse(result)).toEqual(result);
  });

  it('writes no attribute when the step names none', () => {
    expect(decideResult({ ...request, saveValueToAttribute: null }, answered({}), options, times).attribute).toBeNull();
  });

  it.each(failureReason.options)('fails with %s and leaves the attribute as it is', (reason) => {
    const failed = answered({
      outcome: 'failed',
      failureReason: reason,
      failureDetail: 'why',
      httpStatus: reason === 'http_status' ? 503 : null,
      returnValue: null,
    });
    expect(decideResult(request, failed, options, times)).toMatchObject({
      outcome: 'failed',
      branch: { kind: 'failure', option: null },
      branchReason: 'failure_branch',
      attribute: null,
      returnValue: null,
      failureReason: reason,
      failureDetail: 'why',
      httpStatus: reason === 'http_status' ? 503 : null,
    });
    expect(decideResult({ ...request, failureBranch: false }, failed, options, times)).toMatchObject({
      branch: { kind: 'default', option: null },
      branchReason: 'no_failure_branch',
      attribute: null,
    });
  });

  it('echoes what an unreadable request held, and null for the rest', () => {
    const step = {
      requestId: request.requestId,
      orgId: null,
      executionId: null,
      chatId: null,
      stepId: 'step-1',
      cloudFunctionId: null,
      failureBranch: false,
    };
    const result = decideFailedResult(step, { reason: 'invalid_request', detail: 'orgId: must be a uuid' }, times);
    expect(result).toMatchObject({
      requestId: request.requestId,
      orgId: null,
      stepId: 'step-1',
      failureReason: 'invalid_request',
      branchReason: 'no_failure_branch',
      attempts: 0,
    });
    expect(stepResult.parse(result)).toEqual(result);
  });
});
