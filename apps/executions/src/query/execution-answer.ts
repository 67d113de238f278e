import {
  attemptOrigin,
  branchReason,
  chatBotType,
  deferReason,
  executionStatus,
  failureReason,
  invocationKind,
  responseWarning,
  stepResult,
  uuid,
  writtenTime,
} from '@cf/contract';
import { z } from 'zod';

/** An execution as the API answers it (wire.md §2). Ids that others made are shown as they came. */
export const executionAnswer = z
  .object({
    invocationId: uuid,
    kind: invocationKind,
    test: z.boolean(),
    status: executionStatus,
    orgId: uuid,
    cloudFunctionId: z.string().nullable(),
    triggerId: uuid.nullable(),
    event: z.object({ id: z.string(), type: z.string().nullable() }).nullable(),
    step: z
      .object({
        requestId: z.string(),
        executionId: z.string().nullable(),
        chatBotId: z.string().nullable(),
        chatBotName: z.string().nullable(),
        chatBotType: chatBotType.nullable(),
        stepName: z.string().nullable(),
        stepId: z.string().nullable(),
        saveValueToAttribute: z.string().nullable(),
        failureBranch: z.boolean().nullable(),
      })
      .nullable(),
    chatId: z.string().nullable(),
    branch: stepResult.shape.branch.nullable(),
    branchReason: branchReason.nullable(),
    nearMiss: z.string().nullable(),
    returnValue: z.string().nullable(),
    warning: responseWarning.nullable(),
    failureReason: failureReason.nullable(),
    failureDetail: z.string().nullable(),
    deferReason: deferReason.nullable(),
    httpStatus: z.int().nullable(),
    attemptCount: z.int(),
    durationMs: z.number().nullable(),
    paused: z.boolean(),
    nextAttemptAt: writtenTime.nullable(),
    createdAt: writtenTime,
    completedAt: writtenTime.nullable(),
  })
  .meta({ id: 'Execution' });

const hidden = z.object({ hidden: z.literal(true) });
const headers = z.record(z.string(), z.string());

export const executionDetailAnswer = executionAnswer
  .extend({
    explanation: z.object({ why: z.string(), next: z.string() }).nullable(),
    attempts: z.array(
      z.object({
        attemptId: uuid,
        number: z.int(),
        origin: attemptOrigin,
        startedAt: writtenTime,
        durationMs: z.number(),
        httpStatus: z.int().nullable(),
        failureReason: failureReason.nullable(),
        failureDetail: z.string().nullable(),
        request: z.union([hidden, z.object({ headers, body: z.string().nullable(), truncated: z.boolean() })]),
        response: z.union([hidden, z.object({ headers, body: z.string().nullable(), truncated: z.boolean().nullable() })]).nullable(),
      }),
    ),
    attemptsTruncated: z.boolean(),
  })
  .meta({ id: 'ExecutionDetail' });
