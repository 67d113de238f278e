import { describe, expect, it } from '@jest/globals';
import { failureReason, type FailureReason, responseWarning } from '@cf/contract';
import { giveHints, type TestedCall } from './give-hints.js';
import type { TestResult } from './test-answer.js';

const succeeded: TestResult = {
  outcome: 'succeeded',
  branch: { kind: 'option', option: 'Yes' },
  branchReason: 'matched',
  nearMiss: null,
  returnValue: 'Yes',
  attribute: null,
  warning: null,
  failureReason: null,
  failureDetail: null,
  httpStatus: 200,
};
const failed = (reason: FailureReason, httpStatus: number | null = null): TestResult => ({
  ...succeeded,
  outcome: 'failed',
  branch: { kind: 'failure', option: null },
  branchReason: 'failure_branch',
  returnValue: null,
  failureReason: reason,
  httpStatus,
});
const unknownValue = (returnValue: string, nearMiss: string | null): TestResult => ({
  ...succeeded,
  branch: { kind: 'default', option: null },
  branchReason: 'default_unknown_value',
  returnValue,
  nearMiss,
});
const invalid = (warning: TestResult['warning']): TestResult => ({
  ...succeeded,
  branch: { kind: 'default', option: null },
  branchReason: 'default_invalid_response',
  returnValue: null,
  warning,
});
type Exchange = NonNullable<TestedCall['exchange']>;
const call = (result: TestResult, exchange: Partial<Exchange> | null = {}): TestedCall => ({
  result,
  exchange: exchange === null ? null : { durationMs: 100, responseHeaders: {}, responseBody: '', ...exchange },
  timeoutMs: 10_000,
  branchOptions: ['Yes', 'No'],
});

describe('the hints of a test', () => {
  it('are none when all is well', () => {
    expect(giveHints(call(succeeded))).toEqual([]);
  });

  it.each([
    ['a near miss', unknownValue('yes', 'Yes'), {}, 'near_miss', 'returned `yes`, the option is `Yes`'],
    ['an unknown value', unknownValue('maybe', null), {}, 'unknown_value', 'returned `maybe`, which is no Branch Option: `Yes`, `No`'],
    [
      'a web page by its type',
      invalid('not_json'),
      { responseHeaders: { 'content-type': 'text/HTML; charset=utf-8' } },
      'html',
      'the answer is a web page (text/html): is the URL right?',
    ],
    [
      'a web page by its look',
      invalid('not_json'),
      { responseBody: '\n<!DOCTYPE html><p>' },
      'html',
      'the answer is a web page (text/html): is the URL right?',
    ],
    [
      'a number',
      invalid('return_value_not_string'),
      { responseBody: '{"returnValue": 7}' },
      'return_value_not_string',
      'returned a number: returnValue must be a string',
    ],
    [
      'an array',
      invalid('return_value_not_string'),
      { responseBody: '{"returnValue": []}' },
      'return_value_not_string',
      'returned an array: returnValue must be a string',
    ],
    [
      'a cut answer',
      invalid('return_value_not_string'),
      { responseBody: '{"returnValue": [1' },
      'return_value_not_string',
      'returned something that is not a string: returnValue must be a string',
    ],
    ['401', failed('http_status', 401), {}, 'check_authorization', '401: check the authorization of the Registered API'],
    ['404', failed('http_status', 404), {}, 'check_url', '404: check base URL and endpoint URL'],
    [
      'a redirect',
      failed('http_status', 302),
      { responseHeaders: { location: '/login' } },
      'redirect',
      '302: redirects are not followed; call `/login` itself',
    ],
    ['slowness', succeeded, { durationMs: 8_200 }, 'slow', 'took 8.2 s of 10.0 s'],
    [
      'a timeout',
      failed('timeout'),
      { durationMs: 10_000 },
      'timeout',
      'no whole answer within 10.0 s: answer sooner or raise the timeout',
    ],
  ] as const)('name %s', (_what, result, exchange, code, detail) => {
    expect(giveHints(call(result, exchange))[0]).toEqual({ code, detail });
  });

  it('do not say twice that a call was slow', () => {
    expect(giveHints(call(failed('timeout'), { durationMs: 10_000 })).map(({ code }) => code)).toEqual(['timeout']);
  });

  it('quote no more of a value than fits a line', () => {
    const [hint] = giveHints(call(unknownValue('x'.repeat(4_096), null)));
    expect(hint?.detail.length).toBeLessThan(200);
  });

  it('are there for every warning, and for every reason that its owner can put right', () => {
    for (const warning of responseWarning.options) expect(giveHints(call(invalid(warning)))[0]?.code).toBe(warning);
    const without = failureReason.options.filter((reason) => giveHints(call(failed(reason), null)).length === 0);
    expect(without).toEqual(['http_status', 'rate_limited', 'deadline_exceeded', 'function_unknown', 'internal']);
  });
});
