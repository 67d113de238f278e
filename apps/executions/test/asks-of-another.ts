import { randomUUID } from 'node:crypto';
import { eventExample, type Scope } from '@cf/contract';
import { inMs } from './messages.js';

export const FILTERED = ['cloudFunctionId', 'triggerId', 'chatId', 'eventId', 'requestId', 'chatBotId', 'stepId', 'stepName'] as const;
/** Filters of executions that name nothing which belongs to somebody. */
export const IMPERSONAL =
  /^(limit|cursor|text|status|kind|failureReason|test|eventType|httpStatus.*|durationMs.*|createdAt.*|by|interval|lastEventId)$/;
export const CURSORS = ['executions', 'replays', 'notifications', 'notification-webhook/deliveries'] as const;

export type Names = Readonly<
  Record<(typeof FILTERED)[number] | 'invocationId' | 'waitingId' | 'stepInvocationId' | 'replayId' | 'deadLetterId' | 'text', string>
>;
export interface Ask {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below the organization. */
  readonly path: string;
  readonly body?: object;
}

export const SCOPES: Scope[] = [
  'executions:read',
  'executions:write',
  'executions:reveal',
  'replays:read',
  'replays:write',
  'triggers:read',
  'cloud-functions:write',
  'notifications:read',
  'notifications:write',
];

export const nobodys = (): Names => ({
  cloudFunctionId: randomUUID(),
  triggerId: randomUUID(),
  chatId: randomUUID(),
  eventId: randomUUID(),
  requestId: randomUUID(),
  chatBotId: randomUUID(),
  stepId: randomUUID(),
  stepName: randomUUID(),
  invocationId: randomUUID(),
  waitingId: randomUUID(),
  stepInvocationId: randomUUID(),
  replayId: randomUUID(),
  deadLetterId: randomUUID(),
  text: randomUUID(),
});

export const get = (path: string): Ask => ({ method: 'GET', path });
export const post = (path: string, body: object = {}): Ask => ({ method: 'POST', path, body });
const byFilters =
  (path: string, more = ''): ((names: Names) => Ask[]) =>
  (names) =>
    FILTERED.map((name) => get(`${path}?${name}=${names[name]}${more}`));

/** What reads, by operation of the document: each is asked with another's names. */
export const reads: Readonly<Record<string, (names: Names) => Ask[]>> = {
  executionsList: (names) => [
    ...byFilters('executions')(names),
    get(`executions?text=${names.text}&createdAt[gte]=${inMs(-3_600_000).toISOString()}&createdAt[lt]=${inMs(3_600_000).toISOString()}`),
  ],
  executionsFind: ({ invocationId, waitingId, stepInvocationId }) =>
    [invocationId, waitingId, stepInvocationId].map((id) => get(`executions/${id}`)),
  executionsStatisticsCounts: (names) =>
    ['status', 'failureReason', 'cloudFunctionId'].flatMap((by) => byFilters('executions/counts', `&by=${by}`)(names)),
  executionsStatisticsHistogram: byFilters('executions/histogram', '&interval=1h'),
  functionHealthFind: ({ cloudFunctionId }) => [get(`cloud-functions/${cloudFunctionId}/health`)],
  notificationsList: ({ cloudFunctionId }) => [get(`notifications?cloudFunctionId=${cloudFunctionId}`)],
  organizationDeadLettersFind: ({ deadLetterId }) => [get(`dead-letters/${deadLetterId}`)],
  replaysFind: ({ replayId }) => [get(`replays/${replayId}`)],
  backTestsTest: ({ eventId, triggerId }) => [
    post('triggers/back-tests', { eventIds: [eventId] }),
    post('triggers/back-tests', { event: { type: 'ChatOpened', ...eventExample('ChatOpened') }, triggerIds: [triggerId] }),
  ],
  backTestsTestOne: ({ triggerId }) => [post(`triggers/${triggerId}/back-tests`, { last: 5 })],
  replaysCreate: (names) => [
    ...(['cloudFunctionId', 'triggerId', 'chatId', 'eventId'] as const).map((name) =>
      post('replays', { name: 'r', dryRun: true, onlyIfNotSucceeded: false, filter: { [name]: [names[name]] } }),
    ),
    post('replays', { name: 'r', dryRun: true, invocationIds: [names.invocationId, names.waitingId] }),
  ],
};

/** What changes something. */
export const writes: Readonly<Record<string, (names: Names) => Ask[]>> = {
  executionsRetry: ({ invocationId, waitingId }) => [invocationId, waitingId].map((id) => post(`executions/${id}/retries`)),
  cancellationsCancel: ({ waitingId }) => [post(`executions/${waitingId}/cancellation`)],
  replaysPause: ({ replayId }) => [post(`replays/${replayId}/pause`)],
  replaysResume: ({ replayId }) => [post(`replays/${replayId}/resume`)],
  replaysCancel: ({ replayId }) => [post(`replays/${replayId}/cancellation`)],
  erasuresErase: ({ chatId }) => [post('erasures', { chatId })],
  notificationWebhookSet: ({ cloudFunctionId }) => [{ method: 'PUT', path: 'notification-webhook', body: { cloudFunctionId } }],
  testInvocationsTest: ({ cloudFunctionId }) => [post(`cloud-functions/${cloudFunctionId}/test-invocations`, { kind: 'step' })],
};

/** Name nothing beyond the organization: only their path and their cursors can be another's. */
export const impersonal: Readonly<Record<string, Ask>> = {
  replaysList: get('replays'),
  notificationWebhookFind: get('notification-webhook'),
  notificationWebhookDeliveries: get('notification-webhook/deliveries'),
  notificationWebhookRemove: { method: 'DELETE', path: 'notification-webhook' },
  notificationWebhookTest: post('notification-webhook/test-delivery'),
};

export const streams: Readonly<Record<string, string>> = { executionsStreamStream: 'executions', notificationsStream: 'notifications' };

export const forOperators: Readonly<Record<string, Ask>> = {
  allNotificationsList: get('/v1/notifications'),
  allNotificationsStream: get('/v1/notifications/stream'),
  keptDeadLettersList: get('/v1/dead-letters'),
  keptDeadLettersFind: get(`/v1/dead-letters/${randomUUID()}`),
  keptDeadLettersResend: post(`/v1/dead-letters/${randomUUID()}/resends`),
};
