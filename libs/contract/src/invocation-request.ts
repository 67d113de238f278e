import { z } from 'zod';
import { sameId, uuid } from './ids.js';
import { TOPIC_MESSAGE_BYTES_MAX } from './limits.js';
import { rfc3339 } from './timestamp.js';
import { defineTopic, WEEK_MS } from './topic.js';
import { attemptOrigin, chatBotType, invocationKind } from './vocabularies.js';

const step = z.object({
  requestId: uuid,
  executionId: uuid,
  chatBotId: uuid,
  chatBotName: z.string(),
  chatBotType,
  stepName: z.string(),
  stepId: z.string(),
  saveValueToAttribute: z.string().nullable(),
  failureBranch: z.boolean(),
});

/**
 * The intent to call one function once. `invocationId` is its id for life; `seq` counts each time it is sent on purpose
 * (0 first, then retry, deferral, replay); `attempt` is the number its next HTTP exchange gets, from 1.
 * `body` is the exact text for the customer's endpoint. `deadline` is set for steps only; `acceptedAt` is broker time
 * and starts a trigger's 24 hours, unless `retryUntil` gives them another end: work that was paused, or sent again by hand.
 * `configOffset` is the end of the registry topics that the sender had seen.
 */
export const invocationRequest = z.object({
  invocationId: uuid,
  seq: z.number().int().min(0),
  attempt: z.number().int().min(1),
  origin: attemptOrigin,
  kind: invocationKind,
  test: z.boolean(),
  orgId: uuid,
  cloudFunctionId: uuid,
  triggerId: uuid.nullable(),
  event: z.object({ id: uuid, type: z.string() }).nullable(),
  step: step.nullable(),
  chatId: uuid.nullable(),
  body: z.string(),
  acceptedAt: rfc3339,
  deadline: rfc3339.nullable(),
  configOffset: z.number().int().nullable(),
  retryUntil: rfc3339.nullable().default(null),
});
export type InvocationRequest = z.infer<typeof invocationRequest>;
export type InvocationStep = z.infer<typeof step>;

const stepExample: InvocationRequest = {
  invocationId: '2f2b7a52-8f1e-5a0e-9a63-0c6a1c6f5d99',
  seq: 0,
  attempt: 1,
  origin: 'automatic',
  kind: 'step',
  test: false,
  orgId: '0d1c7a52-8f1e-4a0e-9a63-0c6a1c6f5d11',
  cloudFunctionId: 'c1b2a3d4-0000-4000-8000-000000000001',
  triggerId: null,
  event: null,
  step: {
    requestId: '9a0c5b1e-3e5d-4a3f-8f65-5a3a1d1c7e01',
    executionId: '3a4f4e7e-65f2-4b8f-a8a2-6d1a3b1f9c55',
    chatBotId: '5d0e2a0b-3f43-4a79-9d0a-0f7b0f0f6a77',
    chatBotName: 'Appointment Scheduler',
    chatBotType: 'LiveChat',
    stepName: 'Look up patient',
    stepId: 'step-12',
    saveValueToAttribute: 'AppointmentState',
    failureBranch: true,
  },
  chatId: '7b1f0c44-9f66-4a4e-8f5d-2f3f0a7f2a10',
  body: '{"type":"CloudFunctionStepExecution"}',
  acceptedAt: '2026-11-22T15:04:05.130Z',
  deadline: '2026-11-22T15:04:20.130Z',
  configOffset: null,
  retryUntil: null,
};

export const stepInvocationRequests = defineTopic({
  name: 'invocation.requests.step',
  message: 'InvocationRequest',
  schema: invocationRequest,
  keyDescription: 'execution id, on the partition of its request',
  key: (request) => sameId(request.step?.executionId ?? request.invocationId),
  cleanup: 'delete',
  partitions: 'steps',
  retentionMs: WEEK_MS,
  messageBytesMax: TOPIC_MESSAGE_BYTES_MAX,
  example: stepExample,
});

export const triggerInvocationRequests = defineTopic({
  name: 'invocation.requests.trigger',
  message: 'InvocationRequest',
  schema: invocationRequest,
  keyDescription: 'chat id, else event id',
  key: (request) => sameId(request.chatId ?? request.event?.id ?? request.invocationId),
  cleanup: 'delete',
  partitions: 'triggers',
  retentionMs: WEEK_MS,
  messageBytesMax: TOPIC_MESSAGE_BYTES_MAX,
  example: {
    ...stepExample,
    kind: 'trigger',
    triggerId: 'a7b2a3d4-0000-4000-8000-000000000007',
    event: { id: '6f1f2c3e-52a5-4a63-8a4e-0f8f5f6d1a10', type: 'ChatOpened' },
    step: null,
    body: '{"type":"ChatOpened"}',
    deadline: null,
    configOffset: 41,
  },
});
