import { Injectable } from '@nestjs/common';
import { ExecutionsDatabase } from '../database/executions-database.js';
import type { Notification } from './notification.js';

/** A delivery under our lease, with the notification as it is now. */
export interface DueDelivery extends Notification {
  readonly invocationId: string;
  /** That which takes it, not that which it tells of. */
  readonly calledFunctionId: string;
}

/** What a process that died had taken is taken by another after so long. */
const LEASE_SECONDS = 30;

const TAKE = `
  WITH taken AS (
    UPDATE notification_deliveries SET due_at = now() + interval '${LEASE_SECONDS} seconds'
    WHERE invocation_id IN (
      SELECT invocation_id FROM notification_deliveries WHERE sent_at IS NULL AND due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
    RETURNING invocation_id, notification_id, cloud_function_id)
  SELECT taken.invocation_id AS "invocationId", taken.cloud_function_id AS "calledFunctionId", told.id, told.position::text AS position,
         told.org_id AS "orgId", told.cloud_function_id AS "cloudFunctionId", told.type, told.count, told.details,
         told.created_at AS "createdAt", told.updated_at AS "updatedAt"
  FROM taken JOIN notifications AS told ON told.id = taken.notification_id`;

@Injectable()
export class NotificationDeliveries {
  constructor(private readonly database: ExecutionsDatabase) {}

  take(limit: number): Promise<DueDelivery[]> {
    return this.database.query<DueDelivery>(TAKE, [limit]);
  }

  async markSent(invocationIds: readonly string[]): Promise<void> {
    if (invocationIds.length > 0)
      await this.database.query('UPDATE notification_deliveries SET sent_at = now() WHERE invocation_id = ANY($1::uuid[])', [
        invocationIds,
      ]);
  }
}
