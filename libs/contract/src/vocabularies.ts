import { z } from 'zod';

/** Closed vocabularies (product.md §7): the same words in API, topics, metrics, console and CLI. */
export const executionStatus = z.enum(['queued', 'retrying', 'succeeded', 'failed', 'dead_lettered', 'suppressed', 'cancelled']);
export const failureReason = z.enum([
  'http_status',
  'timeout',
  'dns',
  'tls',
  'connection',
  'auth_token',
  'response_too_large',
  'circuit_open',
  'rate_limited',
  'blocked_address',
  'deadline_exceeded',
  'function_disabled',
  'function_unknown',
  'feature_disabled',
  'invalid_request',
  'internal',
]);
export const attemptOrigin = z.enum(['automatic', 'manual_retry', 'bulk_replay', 'test']);
export const circuitState = z.enum(['closed', 'open', 'half_open']);
export const invocationKind = z.enum(['step', 'trigger']);
export const lane = z.enum(['step', 'trigger']);
export const chatBotType = z.enum(['LiveChat', 'SmsChat', 'Journey']);
export const branchReason = z.enum([
  'matched',
  'default_unknown_value',
  'default_empty',
  'default_invalid_response',
  'failure_branch',
  'no_failure_branch',
]);
export const responseWarning = z.enum([
  'not_json',
  'not_an_object',
  'unknown_encoding',
  'undecodable',
  'return_value_not_string',
  'return_value_too_long',
]);
export const deferReason = z.enum(['circuit_open', 'rate_limited', 'quota']);
/** Grows with the API: whoever reads scopes must expect new ones. */
export const scope = z
  .enum([
    'registered-apis:read',
    'registered-apis:write',
    'cloud-functions:read',
    'cloud-functions:write',
    'triggers:read',
    'triggers:write',
    'event-catalog:read',
    'access-tokens:read',
    'access-tokens:write',
    'executions:read',
    'executions:write',
    'executions:reveal',
    'notifications:read',
    'notifications:write',
    'replays:read',
    'replays:write',
    'audit-log:read',
    'chat-events:publish',
    'step-executions:run',
  ])
  .meta({ 'x-grows': true });

export type ExecutionStatus = z.infer<typeof executionStatus>;
export type FailureReason = z.infer<typeof failureReason>;
export type AttemptOrigin = z.infer<typeof attemptOrigin>;
export type CircuitState = z.infer<typeof circuitState>;
export type InvocationKind = z.infer<typeof invocationKind>;
export type Lane = z.infer<typeof lane>;
export type ChatBotType = z.infer<typeof chatBotType>;
export type BranchReason = z.infer<typeof branchReason>;
export type ResponseWarning = z.infer<typeof responseWarning>;
export type DeferReason = z.infer<typeof deferReason>;
export type Scope = z.infer<typeof scope>;
