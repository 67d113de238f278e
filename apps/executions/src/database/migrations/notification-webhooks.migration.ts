import { enableRowLevelSecurity } from '@cf/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Which cloud function of an organization takes its notifications, and what was sent to it or is to be sent. A notification is sent
 * when it comes and, if its count grew meanwhile, once more when it is closed. `due_at` of a row that is being sent is the end of its lease.
 */
const statements = [
  `CREATE TABLE notification_webhooks (
    org_id uuid PRIMARY KEY,
    cloud_function_id uuid NOT NULL,
    types text[],
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
  )`,
  `CREATE TABLE notification_deliveries (
    invocation_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id uuid NOT NULL,
    notification_id uuid NOT NULL REFERENCES notifications ON DELETE CASCADE,
    cloud_function_id uuid NOT NULL,
    closing boolean NOT NULL,
    due_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    sent_at timestamptz,
    UNIQUE (notification_id, closing)
  )`,
  `CREATE INDEX notification_deliveries_due ON notification_deliveries (due_at) WHERE sent_at IS NULL`,
  `CREATE INDEX notification_deliveries_newest ON notification_deliveries (org_id, created_at DESC, invocation_id DESC)`,
];

export class NotificationWebhooks1764300005100 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const guarded = ['notification_webhooks', 'notification_deliveries'].flatMap((table) => enableRowLevelSecurity(table));
    const readOnlyForTenants = 'REVOKE INSERT, UPDATE, DELETE ON notification_deliveries FROM cf_tenant';
    for (const statement of [...statements, ...guarded, readOnlyForTenants]) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE notification_deliveries, notification_webhooks');
  }
}
