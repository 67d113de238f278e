import { decideBranch, decideFailureBranch } from '@cf/contract';
import type { Execution } from '../execution.js';
import type { TestResult } from './test-answer.js';

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

/** The row of a step's test that has ended, with the branch that a live step would have taken; any other row as it is. */
export const withBranch = (row: Execution, branchOptions: readonly string[]): Execution => {
  if (!row.test || row.kind !== 'step' || row.completedAt === null) return row;
  const { branch, branchReason, nearMiss } = judgeTest(row, branchOptions);
  return { ...row, branchKind: branch?.kind ?? null, branchOption: branch?.option ?? null, branchReason, nearMiss };
};
