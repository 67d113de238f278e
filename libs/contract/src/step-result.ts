import { z } from 'zod';
import { uuid } from './ids.js';
import { rfc3339 } from './timestamp.js';
import { defineTopic, TopicKeyUnknown, WEEK_MS } from './topic.js';
import { branchReason, failureReason, responseWarning } from './vocabularies.js';

/**
 * The answer to a step request. Identifiers are null only where an unreadable request did not hold them.
 * `attribute: null` means: leave the attribute as it is. The first record per (orgId, requestId) is the result.
 */
export const stepResult = z.object({
  requestId: z.string(),
  orgId: z.string().nullable(),
  executionId: z.string().nullable(),
  chatId: z.string().nullable(),
  stepId: z.string().nullable(),
  cloudFunctionId: z.string().nullable(),
  invocationId: uuid,
  outcome: z.enum(['succeeded', 'failed']),
  branch: z.object({ kind: z.enum(['option', 'default', 'failure']), option: z.string().nullable() }),
  branchReason,
  nearMiss: z.string().nullable(),
  returnValue: z.string().nullable(),
  attribute: z.object({ name: z.string(), value: z.string() }).nullable(),
  failureReason: failureReason.nullable(),
  failureDetail: z.string().nullable().default(null),
  httpStatus: z.number().int().nullable(),
  warning: responseWarning.nullable(),
  attempts: z.number().int(),
  durationMs: z.number(),
  completedAt: rfc3339,
});
export type StepResult = z.infer<typeof stepResult>;

export const stepResults = defineTopic({
  name: 'chatbot.step-results',
  message: 'StepResult',
  schema: stepResult,
  keyDescription: 'execution id',
  key: (result) => result.executionId ?? TopicKeyUnknown,
  cleanup: 'delete',
  partitions: 'steps',
  retentionMs: WEEK_MS,
  messageBytesMax: 256 * 1024,
  example: {
    requestId: '9a0c5b1e-3e5d-4a3f-8f65-5a3a1d1c7e01',
    orgId: '0d1c7a52-8f1e-4a0e-9a63-0c6a1c6f5d11',
    executionId: '3a4f4e7e-65f2-4b8f-a8a2-6d1a3b1f9c55',
    chatId: '7b1f0c44-9f66-4a4e-8f5d-2f3f0a7f2a10',
    stepId: 'step-12',
    cloudFunctionId: 'c1b2a3d4-0000-4000-8000-000000000001',
    invocationId: '2f2b7a52-8f1e-5a0e-9a63-0c6a1c6f5d99',
    outcome: 'succeeded',
    branch: { kind: 'option', option: 'Scheduled' },
    branchReason: 'matched',
    nearMiss: null,
    returnValue: 'Scheduled',
    attribute: { name: 'AppointmentState', value: 'Scheduled' },
    failureReason: null,
    failureDetail: null,
    httpStatus: 200,
    warning: null,
    attempts: 1,
    durationMs: 184,
    completedAt: '2026-11-22T15:04:05.420Z',
  },
});
