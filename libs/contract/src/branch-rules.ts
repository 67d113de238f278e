import { RETURN_VALUE_CHARS_MAX } from './limits.js';
import type { BranchReason, ResponseWarning } from './vocabularies.js';

/** What a 2xx body said: `returnValue: null` without a warning means that it said nothing. */
export interface ReturnedValue {
  readonly returnValue: string | null;
  readonly warning: ResponseWarning | null;
}

const nothing: ReturnedValue = { returnValue: null, warning: null };
const warned = (warning: ResponseWarning): ReturnedValue => ({ returnValue: null, warning });

/**
 * Reads `returnValue` out of the decoded body of a 2xx answer (product.md §5). The content type is ignored, a byte order
 * mark is skipped, of duplicate keys the last one counts, a value is never coerced.
 */
export const readReturnValue = (body: Uint8Array): ReturnedValue => {
  if (body.byteLength === 0) return nothing;
  let answer: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body);
    if (text.length === 0) return nothing;
    answer = JSON.parse(text);
  } catch {
    return warned('not_json');
  }
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) return warned('not_an_object');
  const value = Object.hasOwn(answer, 'returnValue') ? (answer as { returnValue: unknown }).returnValue : null;
  if (value === null || value === '') return nothing;
  if (typeof value !== 'string') return warned('return_value_not_string');
  if (value.length > RETURN_VALUE_CHARS_MAX) return warned('return_value_too_long');
  return { returnValue: value, warning: null };
};

export interface Branch {
  readonly kind: 'option' | 'default' | 'failure';
  readonly option: string | null;
}

export interface BranchDecision {
  readonly branch: Branch;
  readonly branchReason: BranchReason;
  readonly nearMiss: string | null;
  /** What to write to the attribute: a value, `""` to clear it, null to leave it as it is. */
  readonly attributeValue: string | null;
}

const defaultBranch: Branch = { kind: 'default', option: null };
const alike = (text: string): string => text.trim().toLowerCase();

/** The branch of an answered step: exact, case-sensitive, untrimmed; a near miss is named and never taken. */
export const decideBranch = ({ returnValue, warning }: ReturnedValue, branchOptions: readonly string[]): BranchDecision => {
  if (warning !== null) return { branch: defaultBranch, branchReason: 'default_invalid_response', nearMiss: null, attributeValue: null };
  if (returnValue === null) return { branch: defaultBranch, branchReason: 'default_empty', nearMiss: null, attributeValue: '' };
  if (branchOptions.includes(returnValue)) {
    return { branch: { kind: 'option', option: returnValue }, branchReason: 'matched', nearMiss: null, attributeValue: returnValue };
  }
  const nearMiss = branchOptions.find((option) => alike(option) === alike(returnValue)) ?? null;
  return { branch: defaultBranch, branchReason: 'default_unknown_value', nearMiss, attributeValue: returnValue };
};

/** The branch of a step whose call failed. */
export const decideFailureBranch = (failureBranchEnabled: boolean): BranchDecision =>
  failureBranchEnabled
    ? { branch: { kind: 'failure', option: null }, branchReason: 'failure_branch', nearMiss: null, attributeValue: null }
    : { branch: defaultBranch, branchReason: 'no_failure_branch', nearMiss: null, attributeValue: null };
