import { executionStatus, sameId, uuid, writtenTime } from '@cf/contract';
import { z } from 'zod';
import { type Notification, notificationType, type NotificationType, notificationView } from './notification.js';

/** Row of `notification_webhooks`: the cloud function that takes the notifications of an organization. */
export interface NotificationWebhook {
  readonly cloudFunctionId: string;
  /** Null: all, those that are added later too. */
  readonly types: readonly NotificationType[] | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export const webhookRequest = z.strictObject({
  cloudFunctionId: uuid.transform(sameId),
  types: z
    .array(notificationType)
    .min(1)
    .transform((types) => [...new Set(types)])
    .nullable()
    .default(null),
});
export type WebhookRequest = z.infer<typeof webhookRequest>;

/** What stands in the way of deliveries; `ready`: nothing. */
const readiness = z.enum(['ready', 'function_unknown', 'function_disabled', 'triggers_paused']);

export const webhookAnswer = z
  .object({
    cloudFunctionId: uuid,
    types: z.array(notificationType).nullable(),
    readiness,
    createdAt: writtenTime,
    updatedAt: writtenTime,
  })
  .meta({ id: 'NotificationWebhook' });

type Callee = { readonly enabled: boolean; readonly triggersPaused: boolean } | undefined;

const readinessOf = (callee: Callee): z.infer<typeof readiness> => {
  if (callee === undefined) return 'function_unknown';
  if (!callee.enabled) return 'function_disabled';
  return callee.triggersPaused ? 'triggers_paused' : 'ready';
};

export const webhookView = (
  { cloudFunctionId, types, createdAt, updatedAt }: NotificationWebhook,
  callee: Callee,
): z.input<typeof webhookAnswer> => ({
  cloudFunctionId,
  types: types === null ? null : [...types],
  readiness: readinessOf(callee),
  createdAt: createdAt.toISOString(),
  updatedAt: updatedAt.toISOString(),
});

/** One sending of a notification, under the id of its invocation; `status` is that of its execution. */
export interface NotificationDelivery {
  readonly invocationId: string;
  readonly notificationId: string;
  readonly type: NotificationType;
  readonly cloudFunctionId: string;
  readonly status: z.infer<typeof executionStatus>;
  readonly attemptCount: number;
  readonly httpStatus: number | null;
  readonly failureReason: string | null;
  readonly nextAttemptAt: Date | null;
  readonly createdAt: Date;
}

export const deliveryAnswer = z
  .object({
    invocationId: uuid,
    notificationId: uuid,
    type: notificationType,
    cloudFunctionId: uuid,
    status: executionStatus,
    attemptCount: z.int(),
    httpStatus: z.int().nullable(),
    failureReason: z.string().nullable(),
    nextAttemptAt: writtenTime.nullable(),
    createdAt: writtenTime,
  })
  .meta({ id: 'NotificationDelivery' });

export const deliveryView = ({ nextAttemptAt, createdAt, ...delivery }: NotificationDelivery): z.input<typeof deliveryAnswer> => ({
  ...delivery,
  nextAttemptAt: nextAttemptAt?.toISOString() ?? null,
  createdAt: createdAt.toISOString(),
});

export const eventTypeOf = (type: NotificationType | 'test'): string => `notification.${type}`;

/** What the function gets, in the form that Standard Webhooks proposes. */
export const webhookBody = (notification: Notification): string => {
  const data = notificationView(notification);
  return JSON.stringify({ type: eventTypeOf(notification.type), timestamp: data.updatedAt, data });
};
