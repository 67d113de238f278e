/**
 * Names of the headers that travel beside a message, all lower case. `content-type` and `traceparent` are on every message;
 * the others let a reader route, order or drop a message without parsing it. `resends` is on what was sent again from `dead.letters`, with
 * the offset of the record that was buried: whoever drops repetitions must not take it for one.
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
  resends: 'resends',
} as const;
