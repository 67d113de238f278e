import { type Branch, type BranchReason, decideBranch, decideFailureBranch, type FailureReason, type ResponseWarning } from '@cf/contract';
import type { Execution } from '../execution.js';

/** What would have followed, had it not been a test. Everything about branches is null for an event. */
export interface TestResult {
  readonly outcome: 'succeeded' | 'failed';
  readonly branch: Branch | null;
  readonly branchReason: BranchReason | null;
  readonly nearMiss: string | null;
  readonly returnValue: string | null;
  readonly attribute: { readonly name: string; readonly value: string } | null;
  readonly warning: ResponseWarning | null;
  readonly failureReason: FailureReason | null;
  readonly failureDetail: string | null;
  readonly httpStatus: number | null;
}

/** By the same rules as the step executor's, and today's Branch Options. */
export const judgeTest = (row: Execution, branchOptions: readonly string[]): TestResult => {
  const { returnValue, warning, failureReason, failureDetail, httpStatus } = row;
  const outcome = row.status === 'succeeded' ? 'succeeded' : 'failed';
  const ended = { outcome, returnValue, warning, failureReason, failureDetail, httpStatus } as const;
  if (row.kind === 'trigger') return { ...ended, branch: null, branchReason: null, nearMiss: null, attribute: null };
  const decision = outcome === 'succeeded' ? decideBranch(row, branchOptions) : decideFailureBranch(row.failureBranch === true);
  const { branch, branchReason, nearMiss, attributeValue } = decision;
  const name = row.saveValueToAttribute;
  const attribute = name === null || attributeValue === null ? null : { name, value: attributeValue };
  return { ...ended, branch, branchReason, nearMiss, attribute };
};
