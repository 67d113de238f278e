import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Whoever takes a notification webhook away takes with it what was not sent yet. */
export class UnsentDeliveries1764300007120 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('GRANT DELETE ON notification_deliveries TO cf_tenant');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('REVOKE DELETE ON notification_deliveries FROM cf_tenant');
  }
}
