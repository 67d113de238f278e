import { uuid, writtenTime } from '@cf/contract';
import { z } from 'zod';

/**
 * What somebody who answers for a function wants to be told.
 * - `function_failing`: `details.level` percent of its calls failed; once until it is better than that again.
 * - `circuit_opened`, `circuit_closed`: the first worker stopped calling it in a lane; the last one calls it again, or is gone, or all were reset.
 * - `retries_exhausted`: invocations that ended without success; those of ten minutes are one notification with a `count`.
 */
export const notificationType = z.enum(['function_failing', 'circuit_opened', 'circuit_closed', 'retries_exhausted']);
export type NotificationType = z.infer<typeof notificationType>;

export interface NewNotification {
  readonly orgId: string;
  readonly cloudFunctionId: string;
  readonly type: NotificationType;
  readonly count: number;
  readonly details: Record<string, string | number>;
}

export interface Notification extends NewNotification {
  readonly id: string;
  /** A bigint as pg reads it; grows with each change of any notification. */
  readonly position: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export const notificationAnswer = z
  .object({
    id: uuid,
    orgId: uuid,
    cloudFunctionId: uuid,
    type: notificationType,
    count: z.int(),
    details: z.record(z.string(), z.union([z.string(), z.number()])),
    createdAt: writtenTime,
    updatedAt: writtenTime,
  })
  .meta({ id: 'Notification' });

export const notificationView = ({
  id,
  orgId,
  cloudFunctionId,
  type,
  count,
  details,
  createdAt,
  updatedAt,
}: Notification): z.infer<typeof notificationAnswer> => ({
  id,
  orgId,
  cloudFunctionId,
  type,
  count,
  details,
  createdAt: createdAt.toISOString(),
  updatedAt: updatedAt.toISOString(),
});
