import { describe, expect, it } from '@jest/globals';
import { registryChanges, stepInvocationId, stepRequests, type CloudFunction, type Organization } from '@cf/contract';
import { isUncertain, planInvocation } from './plan-invocation.js';

const request = stepRequests.example;
const acceptedAtMs = Date.parse('2026-11-22T15:04:05.130Z');
const organization: Organization = { id: request.orgId, name: 'Clinic', cloudFunctionsEnabled: true, retentionDays: 30 };
const cloudFunction = registryChanges.example.resource as CloudFunction;
const known = { organization, cloudFunction, configOffset: 7 };

describe('planning the invocation of a step', () => {
  it('calls a known function with the ten keys in their order, by the deadline', () => {
    const plan = planInvocation(request, known, acceptedAtMs, acceptedAtMs + 3);
    expect(plan).toMatchObject({
      kind: 'invoke',
      invocation: {
        invocationId: stepInvocationId(request.orgId, request.requestId),
        seq: 0,
        attempt: 1,
        kind: 'step',
        orgId: request.orgId,
        chatId: request.chatId,
        step: { requestId: request.requestId, stepName: request.stepName, failureBranch: true },
        acceptedAt: '2026-11-22T15:04:05.130Z',
        deadline: '2026-11-22T15:04:20.130Z',
        configOffset: 7,
        retryUntil: null,
      },
    });
    const body = plan.kind === 'invoke' ? plan.invocation.body : '';
    expect(Object.keys(JSON.parse(body) as object)).toEqual([
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

  it.each([
    ['deadline_exceeded', known, { ...request, deadline: '2026-11-22T15:04:05.100Z' }],
    ['feature_disabled', { ...known, organization: undefined }, request],
    ['feature_disabled', { ...known, organization: { ...organization, cloudFunctionsEnabled: false } }, request],
    ['function_unknown', { ...known, cloudFunction: undefined }, request],
    ['function_disabled', { ...known, cloudFunction: { ...cloudFunction, enabled: false } }, request],
  ] as const)('refuses with %s', (reason, configuration, asked) => {
    expect(planInvocation(asked, configuration, acceptedAtMs, acceptedAtMs)).toMatchObject({ kind: 'refuse', reason });
  });

  it('says unknown only of what the registry may still tell, and off at once', () => {
    expect(isUncertain(known)).toBe(false);
    expect(isUncertain({ ...known, organization: undefined })).toBe(true);
    expect(isUncertain({ ...known, cloudFunction: undefined })).toBe(true);
    expect(isUncertain({ ...known, organization: { ...organization, cloudFunctionsEnabled: false }, cloudFunction: undefined })).toBe(
      false,
    );
  });
});
