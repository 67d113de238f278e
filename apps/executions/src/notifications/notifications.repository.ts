import { Injectable } from '@nestjs/common';
import { uuid } from '@cf/contract';
import { queryTime } from '@cf/service-kit';
import type { EntityManager } from 'typeorm';
import { z } from 'zod';
import { ExecutionsDatabase } from '../database/executions-database.js';
import type { NewNotification, Notification, NotificationType } from './notification.js';

const COLUMNS = `id, position::text AS position, org_id AS "orgId", cloud_function_id AS "cloudFunctionId", type, count, details,
  created_at AS "createdAt", updated_at AS "updatedAt"`;

/** Invocations that end without success within so long are one notification. */
const COALESCED_MINUTES = 10;
const KEPT_DAYS = 30;
/** Of one organization; a function that flaps all day makes a few hundred. */
const KEPT_MAX = 10_000;

/**
 * One for the function that takes the notifications of the organization, unless they tell of that function itself: at once for one that it has
 * not got, else when it is closed. Whoever takes the webhook away meanwhile waits for us, and we for them.
 */
const DELIVERY = `
  INSERT INTO notification_deliveries (org_id, notification_id, cloud_function_id, closing, due_at, created_at)
  SELECT told.org_id, told.id, webhook.cloud_function_id, begun.already, CASE WHEN begun.already THEN told.created_at + interval '${COALESCED_MINUTES} minutes' ELSE now() END,
         date_trunc('milliseconds', now())
  FROM told JOIN notification_webhooks AS webhook ON webhook.org_id = told.org_id
  CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM notification_deliveries WHERE notification_id = told.id)) AS begun(already)
  WHERE webhook.cloud_function_id <> told.cloud_function_id AND (webhook.types IS NULL OR told.type = ANY(webhook.types))
  FOR SHARE OF webhook
  ON CONFLICT (notification_id, closing) DO NOTHING`;

const COALESCE = `
  WITH told AS (
    UPDATE notifications SET count = count + $4, updated_at = date_trunc('milliseconds', now()), position = nextval('notification_positions')
    WHERE org_id = $1 AND cloud_function_id = $2 AND type = $3 AND created_at > now() - interval '${COALESCED_MINUTES} minutes' RETURNING *),
  planned AS (${DELIVERY})
  SELECT id FROM told`;

const ADD = `
  WITH told AS (
    INSERT INTO notifications (position, org_id, cloud_function_id, type, count, details, created_at, updated_at)
    VALUES (nextval('notification_positions'), $1, $2, $3, $4, $5, date_trunc('milliseconds', now()), date_trunc('milliseconds', now())) RETURNING *)
  ${DELIVERY}`;

const PRUNE = `
  WITH pruned AS (
    DELETE FROM notifications USING (
      SELECT id, created_at < now() - interval '${KEPT_DAYS} days' OR row_number() OVER (PARTITION BY org_id ORDER BY created_at DESC, id DESC) > ${KEPT_MAX} AS over
      FROM notifications) AS ranked
    WHERE notifications.id = ranked.id AND ranked.over RETURNING org_id, position)
  INSERT INTO pruned_notifications AS known (org_id, position) SELECT org_id, max(position) FROM pruned GROUP BY org_id
  ON CONFLICT (org_id) DO UPDATE SET position = greatest(known.position, excluded.position)`;

const ENDS = `
  SELECT (SELECT coalesce(max(position), 0) FROM notifications)::text AS newest, (SELECT last_value FROM notification_positions)::text AS drawn,
         (SELECT coalesce(max(position), 0) FROM pruned_notifications WHERE $1::uuid IS NULL OR org_id = $1)::text AS pruned`;

/** Where a stream begins. */
export interface StreamStart {
  readonly position: bigint;
  /** Nothing that its reader missed is gone. */
  readonly isWhole: boolean;
}

export const notificationCursor = z.object({ createdAt: queryTime, id: uuid });

export interface NotificationsRequest {
  readonly type?: readonly NotificationType[] | undefined;
  readonly cloudFunctionId?: readonly string[] | undefined;
  readonly after: z.infer<typeof notificationCursor> | null;
  readonly limit: number;
}

@Injectable()
export class Notifications {
  constructor(private readonly database: ExecutionsDatabase) {}

  /** Only by whoever folds health, one at a time: then positions are in the order of commits. */
  async add(manager: EntityManager, notifications: readonly NewNotification[]): Promise<void> {
    for (const { orgId, cloudFunctionId, type, count, details } of notifications) {
      const same = [orgId, cloudFunctionId, type, count];
      if (type === 'retries_exhausted') {
        const grown: unknown[] = await manager.query(COALESCE, same);
        if (grown.length > 0) continue;
      }
      await manager.query(ADD, [...same, details]);
    }
  }

  async prune(manager: EntityManager): Promise<void> {
    await manager.query(PRUNE);
  }

  listOf(orgId: string, request: NotificationsRequest): Promise<Notification[]> {
    const { sql, params } = this.page(request, orgId);
    return this.database.tenant(orgId, (manager) => manager.query<Notification[]>(sql, params));
  }

  listOfAll(request: NotificationsRequest): Promise<Notification[]> {
    const { sql, params } = this.page(request, null);
    return this.database.query<Notification>(sql, params);
  }

  /** Behind what a reader of one organization, or of all, heard last; of one that begins, behind the newest. */
  async startAfter(heard: bigint | null, orgId: string | null): Promise<StreamStart> {
    const [ends] = await this.database.query<Record<'newest' | 'drawn' | 'pruned', string>>(ENDS, [orgId]);
    const [newest, drawn, pruned] = [BigInt(ends!.newest), BigInt(ends!.drawn), BigInt(ends!.pruned)];
    // A position that was not drawn yet is of another database, or of this one before it was restored.
    if (heard === null || heard > drawn) return { position: newest, isWhole: heard === null };
    return { position: heard, isWhole: heard >= pruned };
  }

  /** Of these organizations, or of all. */
  since(position: string, orgIds: readonly string[] | null, limit: number): Promise<Notification[]> {
    return this.database.query<Notification>(
      `SELECT ${COLUMNS} FROM notifications WHERE position > $1 AND ($2::uuid[] IS NULL OR org_id = ANY($2::uuid[])) ORDER BY notifications.position LIMIT $3`,
      [position, orgIds, limit],
    );
  }

  private page({ type, cloudFunctionId, after, limit }: NotificationsRequest, orgId: string | null): { sql: string; params: unknown[] } {
    const params: unknown[] = [];
    const next = (value: unknown): string => `$${params.push(value)}`;
    const where = ['true'];
    if (orgId !== null) where.push(`org_id = ${next(orgId)}`);
    if (type !== undefined) where.push(`type = ANY(${next(type)}::text[])`);
    if (cloudFunctionId !== undefined) where.push(`cloud_function_id = ANY(${next(cloudFunctionId)}::uuid[])`);
    if (after !== null) where.push(`(created_at, id) < (${next(after.createdAt)}, ${next(after.id)})`);
    return {
      sql: `SELECT ${COLUMNS} FROM notifications WHERE ${where.join(' AND ')} ORDER BY created_at DESC, id DESC LIMIT ${limit}`,
      params,
    };
  }
}
