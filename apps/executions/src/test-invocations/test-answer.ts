import { branchReason, failureReason, responseWarning, uuid } from '@cf/contract';
import { z } from 'zod';
import { executionDetailAnswer } from '../query/execution-answer.js';

/** What would have followed, had it not been a test. Everything about branches is null for an event. */
const testResult = z.object({
  outcome: z.enum(['succeeded', 'failed']),
  branch: z.object({ kind: z.enum(['option', 'default', 'failure']), option: z.string().nullable() }).nullable(),
  branchReason: branchReason.nullable(),
  nearMiss: z.string().nullable(),
  returnValue: z.string().nullable(),
  attribute: z.object({ name: z.string(), value: z.string() }).nullable(),
  warning: responseWarning.nullable(),
  failureReason: failureReason.nullable(),
  failureDetail: z.string().nullable(),
  httpStatus: z.number().int().nullable(),
});
export type TestResult = z.infer<typeof testResult>;

/** A likely reason in words that say what to do. */
const hint = z.object({ code: z.string(), detail: z.string() });
export type Hint = z.infer<typeof hint>;

/** `execution` and `result` are null with 202: it has not ended yet. */
export const testAnswer = z
  .object({
    invocationId: uuid,
    execution: executionDetailAnswer.nullable(),
    result: testResult.nullable(),
    hints: z.array(hint),
  })
  .meta({ id: 'TestInvocation' });
