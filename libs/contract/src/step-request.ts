import { z } from 'zod';
import { sameId, uuid } from './ids.js';
import { rfc3339 } from './timestamp.js';
import { defineTopic, WEEK_MS } from './topic.js';
import { chatBotType } from './vocabularies.js';

const name = z.string().max(1_000);

/** What the bot runtime sends for one run of an 'Execute Cloud Function' block (product.md §5). */
export const stepRequest = z
  .object({
    requestId: uuid,
    orgId: uuid,
    chatId: uuid.nullish().transform((id) => id ?? null),
    executionId: uuid,
    chatBotId: uuid,
    chatBotName: name,
    chatBotType,
    stepName: name,
    stepId: name,
    cloudFunctionId: uuid,
    saveValueToAttribute: z
      .string()
      .min(1)
      .max(1_000)
      .nullish()
      .transform((attribute) => attribute ?? null),
    failureBranch: z.boolean(),
    timestamp: rfc3339,
    deadline: rfc3339.nullish().transform((deadline) => deadline ?? null),
  })
  .refine((request) => request.chatId !== null || request.chatBotType === 'Journey', {
    path: ['chatId'],
    message: 'may be null only for a Journey',
  });
export type StepRequest = z.infer<typeof stepRequest>;

export const stepRequests = defineTopic({
  name: 'chatbot.step-requests',
  message: 'StepRequest',
  schema: stepRequest,
  keyDescription: 'execution id',
  key: (request) => sameId(request.executionId),
  cleanup: 'delete',
  partitions: 'steps',
  retentionMs: WEEK_MS,
  messageBytesMax: 256 * 1024,
  example: {
    requestId: '9a0c5b1e-3e5d-4a3f-8f65-5a3a1d1c7e01',
    orgId: '0d1c7a52-8f1e-4a0e-9a63-0c6a1c6f5d11',
    chatId: '7b1f0c44-9f66-4a4e-8f5d-2f3f0a7f2a10',
    executionId: '3a4f4e7e-65f2-4b8f-a8a2-6d1a3b1f9c55',
    chatBotId: '5d0e2a0b-3f43-4a79-9d0a-0f7b0f0f6a77',
    chatBotName: 'Appointment Scheduler',
    chatBotType: 'LiveChat',
    stepName: 'Look up patient',
    stepId: 'step-12',
    cloudFunctionId: 'c1b2a3d4-0000-4000-8000-000000000001',
    saveValueToAttribute: 'AppointmentState',
    failureBranch: true,
    timestamp: '2026-11-22T15:04:05.123Z',
    deadline: null,
  },
});

/**
 * The body that the customer's endpoint gets: exactly these ten keys in this order (the published contract).
 * `timestamp` is the time the step began, the same in every attempt, written as ISO 8601 UTC with milliseconds.
 */
export const stepExecutionBody = (request: StepRequest): string =>
  JSON.stringify({
    type: 'CloudFunctionStepExecution',
    orgId: request.orgId,
    chatId: request.chatId,
    executionId: request.executionId,
    chatBotId: request.chatBotId,
    chatBotName: request.chatBotName,
    chatBotType: request.chatBotType,
    stepName: request.stepName,
    stepId: request.stepId,
    timestamp: new Date(request.timestamp).toISOString(),
  });
