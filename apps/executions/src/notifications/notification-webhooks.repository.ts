import { Injectable } from '@nestjs/common';
import { uuid } from '@cf/contract';
import { queryTime } from '@cf/service-kit';
import { z } from 'zod';
import { ExecutionsDatabase } from '../database/executions-database.js';
import type { NotificationDelivery, NotificationWebhook, WebhookRequest } from './notification-webhook.js';

const COLUMNS = `cloud_function_id AS "cloudFunctionId", types, created_at AS "createdAt", updated_at AS "updatedAt"`;
const NOW = `date_trunc('milliseconds', now())`;

const SET = `
  INSERT INTO notification_webhooks (org_id, cloud_function_id, types, created_at, updated_at) VALUES ($1, $2, $3, ${NOW}, ${NOW})
  ON CONFLICT (org_id) DO UPDATE SET cloud_function_id = excluded.cloud_function_id, types = excluded.types, updated_at = excluded.updated_at
  RETURNING ${COLUMNS}`;

/** What was not sent yet goes with the webhook, or with the function that took it. */
const DROP_UNSENT = `
  DELETE FROM notification_deliveries WHERE org_id = $1 AND sent_at IS NULL AND cloud_function_id IS DISTINCT FROM $2::uuid`;

/** One that was sent a moment ago has no execution yet. */
const DELIVERIES = `
  SELECT delivery.invocation_id AS "invocationId", delivery.notification_id AS "notificationId", notifications.type,
         delivery.cloud_function_id AS "cloudFunctionId", coalesce(executions.status, 'queued') AS status,
         coalesce(executions.attempt_count, 0) AS "attemptCount", executions.http_status AS "httpStatus",
         executions.failure_reason AS "failureReason",
         CASE WHEN delivery.sent_at IS NULL THEN delivery.due_at ELSE executions.next_attempt_at END AS "nextAttemptAt", delivery.created_at AS "createdAt"
  FROM notification_deliveries AS delivery JOIN notifications ON notifications.id = delivery.notification_id
  LEFT JOIN executions ON executions.invocation_id = delivery.invocation_id
  WHERE delivery.org_id = $1 AND ($2::timestamptz IS NULL OR (delivery.created_at, delivery.invocation_id) < ($2, $3::uuid))
  ORDER BY delivery.created_at DESC, delivery.invocation_id DESC LIMIT $4`;

export const deliveryCursor = z.object({ createdAt: queryTime, id: uuid });

/** What people ask of webhooks, as the tenant's role. `approve` is called before a change takes effect, and may refuse by throwing. */
@Injectable()
export class NotificationWebhooks {
  constructor(private readonly database: ExecutionsDatabase) {}

  find(orgId: string): Promise<NotificationWebhook | null> {
    return this.database.tenant(orgId, async (manager) => {
      const [webhook]: NotificationWebhook[] = await manager.query(`SELECT ${COLUMNS} FROM notification_webhooks WHERE org_id = $1`, [
        orgId,
      ]);
      return webhook ?? null;
    });
  }

  set(orgId: string, { cloudFunctionId, types }: WebhookRequest, approve: () => Promise<void>): Promise<NotificationWebhook> {
    return this.database.tenant(orgId, async (manager) => {
      const [webhook]: NotificationWebhook[] = await manager.query(SET, [orgId, cloudFunctionId, types]);
      await approve();
      await manager.query(DROP_UNSENT, [orgId, cloudFunctionId]);
      return webhook!;
    });
  }

  /** False when there was none. */
  remove(orgId: string, approve: (webhook: NotificationWebhook) => Promise<void>): Promise<boolean> {
    return this.database.tenant(orgId, async (manager) => {
      const [webhook]: NotificationWebhook[] = await manager.query(
        `SELECT ${COLUMNS} FROM notification_webhooks WHERE org_id = $1 FOR UPDATE`,
        [orgId],
      );
      if (webhook === undefined) return false;
      await approve(webhook);
      await manager.query('DELETE FROM notification_webhooks WHERE org_id = $1', [orgId]);
      await manager.query(DROP_UNSENT, [orgId, null]);
      return true;
    });
  }

  deliveries(orgId: string, after: z.infer<typeof deliveryCursor> | null, limit: number): Promise<NotificationDelivery[]> {
    return this.database.tenant(orgId, (manager) => manager.query(DELIVERIES, [orgId, after?.createdAt ?? null, after?.id ?? null, limit]));
  }
}
