import { describe, expect, it } from '@jest/globals';
import { decideBranch, decideFailureBranch, readReturnValue } from './branch-rules.js';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('reading a return value', () => {
  it.each([
    ['{"returnValue":"Yes"}', 'Yes', null],
    ['\uFEFF{"returnValue":"Yes"}', 'Yes', null],
    ['{"returnValue":"No","returnValue":"Yes"}', 'Yes', null],
    ['{"returnValue":" yes "}', ' yes ', null],
    ['{"other":1}', null, null],
    ['{"returnValue":null}', null, null],
    ['{"returnValue":""}', null, null],
    ['{"__proto__":{"returnValue":"Yes"}}', null, null],
    ['', null, null],
    ['Yes', null, 'not_json'],
    ['{"returnValue":"Yes"} x', null, 'not_json'],
    ['   ', null, 'not_json'],
    ['null', null, 'not_an_object'],
    ['"Yes"', null, 'not_an_object'],
    ['["Yes"]', null, 'not_an_object'],
    ['{"returnValue":1}', null, 'return_value_not_string'],
    ['{"returnValue":false}', null, 'return_value_not_string'],
    ['{"returnValue":{}}', null, 'return_value_not_string'],
    [JSON.stringify({ returnValue: 'x'.repeat(4_096) }), 'x'.repeat(4_096), null],
    [JSON.stringify({ returnValue: 'x'.repeat(4_097) }), null, 'return_value_too_long'],
  ])('%j', (body, returnValue, warning) => {
    expect(readReturnValue(utf8(body))).toEqual({ returnValue, warning });
  });

  it('takes invalid UTF-8 for text that is no JSON', () => {
    expect(readReturnValue(Uint8Array.of(0x7b, 0xff, 0x7d))).toEqual({ returnValue: null, warning: 'not_json' });
  });
});

describe('deciding a branch', () => {
  const options = ['Yes', 'No'];
  it('takes the option that equals the value', () => {
    expect(decideBranch({ returnValue: 'No', warning: null }, options)).toEqual({
      branch: { kind: 'option', option: 'No' },
      branchReason: 'matched',
      nearMiss: null,
      attributeValue: 'No',
    });
  });

  it('keeps an unknown value, takes the default path and names a near miss', () => {
    expect(decideBranch({ returnValue: ' YES', warning: null }, options)).toEqual({
      branch: { kind: 'default', option: null },
      branchReason: 'default_unknown_value',
      nearMiss: 'Yes',
      attributeValue: ' YES',
    });
    expect(decideBranch({ returnValue: 'Maybe', warning: null }, options).nearMiss).toBeNull();
  });

  it('clears the attribute when nothing came back and leaves it after an answer that breaks the contract', () => {
    expect(decideBranch({ returnValue: null, warning: null }, options)).toMatchObject({
      branchReason: 'default_empty',
      attributeValue: '',
    });
    expect(decideBranch({ returnValue: null, warning: 'not_json' }, options)).toMatchObject({
      branchReason: 'default_invalid_response',
      attributeValue: null,
    });
  });

  it('takes the failure branch only where it is enabled', () => {
    expect(decideFailureBranch(true)).toMatchObject({ branch: { kind: 'failure' }, branchReason: 'failure_branch', attributeValue: null });
    expect(decideFailureBranch(false)).toMatchObject({
      branch: { kind: 'default' },
      branchReason: 'no_failure_branch',
      attributeValue: null,
    });
  });
});
