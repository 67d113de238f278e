/**
 * Names of the headers that travel beside a message, all lower case. `content-type` and `traceparent` are on every message;
 * the others let a reader route, order or drop a message without parsing it.
 */
export const messageHeader = {
  contentType: 'content-type',
  traceparent: 'traceparent',
  orgId: 'org-id',
  requestId: 'request-id',
  invocationId: 'invocation-id',
  seq: 'seq',
  functionId: 'function-id',
  chatId: 'chat-id',
  causedBy: 'caused-by',
} as const;
