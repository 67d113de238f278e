import { z } from 'zod';
import { sameId, uuid } from './ids.js';
import { invocationRequest, stepInvocationRequests, triggerInvocationRequests } from './invocation-request.js';
import { TOPIC_MESSAGE_BYTES_MAX } from './limits.js';
import { rfc3339 } from './timestamp.js';
import { defineTopic, WEEK_MS } from './topic.js';
import { attemptOrigin, circuitState, deferReason, failureReason, responseWarning } from './vocabularies.js';

const headers = z.record(z.string(), z.string());

/** One HTTP exchange. The request's body is that of the invocation; secrets in headers are masked before they get here. */
export const attempt = z.object({
  attemptId: uuid,
  number: z.number().int().min(1),
  origin: attemptOrigin,
  startedAt: rfc3339,
  durationMs: z.number(),
  httpStatus: z.number().int().nullable(),
  failureReason: failureReason.nullable(),
  failureDetail: z.string().nullable(),
  request: z.object({ headers }),
  response: z.object({ headers, body: z.string(), truncated: z.boolean() }).nullable(),
});
export type Attempt = z.infer<typeof attempt>;

/**
 * How one sending (invocationId, seq) of a request ended.
 * - `done`: final. `outcome` says how.
 * - `retrying`: failed, to be sent again at `dueAt` as attempt `request.attempt + attempts.length`.
 * - `deferred`: not called (`deferReason`), to be sent again at `dueAt` without burning an attempt.
 * - `suppressed`: stopped by the loop guard, not called.
 * `attempts` holds the exchanges of this sending only, none when nothing was called.
 * `circuit` is the state of the function's breaker on this worker and lane after the sending; null while it stays closed.
 */
export const invocationResult = z.object({
  request: invocationRequest,
  disposition: z.enum(['done', 'retrying', 'deferred', 'suppressed']),
  outcome: z.enum(['succeeded', 'failed']).nullable(),
  failureReason: failureReason.nullable(),
  failureDetail: z.string().nullable(),
  deferReason: deferReason.nullable(),
  httpStatus: z.number().int().nullable(),
  returnValue: z.string().nullable(),
  warning: responseWarning.nullable(),
  dueAt: rfc3339.nullable(),
  attempts: z.array(attempt),
  completedAt: rfc3339,
  circuit: z.object({ state: circuitState, worker: z.string() }).nullable().default(null),
});
export type InvocationResult = z.infer<typeof invocationResult>;

const example = (request: z.infer<typeof invocationRequest>): InvocationResult => ({
  request,
  disposition: 'done',
  outcome: 'succeeded',
  failureReason: null,
  failureDetail: null,
  deferReason: null,
  httpStatus: 200,
  returnValue: 'Scheduled',
  warning: null,
  dueAt: null,
  attempts: [
    {
      attemptId: 'e5b2a3d4-0000-4000-8000-0000000000aa',
      number: 1,
      origin: 'automatic',
      startedAt: '2026-11-22T15:04:05.140Z',
      durationMs: 121.4,
      httpStatus: 200,
      failureReason: null,
      failureDetail: null,
      request: { headers: { 'content-type': 'application/json; charset=utf-8' } },
      response: { headers: { 'content-type': 'application/json' }, body: '{"returnValue":"Scheduled"}', truncated: false },
    },
  ],
  completedAt: '2026-11-22T15:04:05.262Z',
  circuit: null,
});

export const stepInvocationResults = defineTopic({
  name: 'invocation.results.step',
  message: 'InvocationResult',
  schema: invocationResult,
  keyDescription: 'execution id, on the partition of its request',
  key: (result) => stepInvocationRequests.key(result.request),
  cleanup: 'delete',
  partitions: 'steps',
  retentionMs: WEEK_MS,
  messageBytesMax: TOPIC_MESSAGE_BYTES_MAX,
  example: example(stepInvocationRequests.example),
});

export const triggerInvocationResults = defineTopic({
  name: 'invocation.results.trigger',
  message: 'InvocationResult',
  schema: invocationResult,
  keyDescription: 'invocation id',
  key: (result) => sameId(result.request.invocationId),
  cleanup: 'delete',
  partitions: 'executions',
  retentionMs: WEEK_MS,
  messageBytesMax: TOPIC_MESSAGE_BYTES_MAX,
  example: example(triggerInvocationRequests.example),
});
