import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Look-ups by ids of the platform without an index that every recorded row touches somewhere else (`locate-executions.ts`). */
const DAY = `date_bin('1 day', created_at, TIMESTAMPTZ '2000-01-01 00:00:00+00')`;

const statements = [
  // The strongest lock first: a recorder that has read and is about to write would wait for us, and we for it.
  'LOCK TABLE executions IN ACCESS EXCLUSIVE MODE',
  `CREATE INDEX executions_by_day_and_chat ON executions ((${DAY}), hashtextextended(lower(chat_id), 0), created_at DESC) WHERE chat_id IS NOT NULL`,
  `CREATE INDEX executions_by_day_and_event ON executions ((${DAY}), hashtextextended(lower(event_id), 0)) WHERE event_id IS NOT NULL`,
  `CREATE INDEX executions_tests_by_request ON executions (org_id, lower(request_id)) WHERE test AND request_id IS NOT NULL`,
  `DROP INDEX executions_by_chat, executions_by_event, executions_by_request`,
];

export class LookUpByDay1764300006100 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE INDEX executions_by_chat ON executions (org_id, lower(chat_id), created_at DESC) WHERE chat_id IS NOT NULL`);
    await runner.query(`CREATE INDEX executions_by_event ON executions (org_id, lower(event_id)) WHERE event_id IS NOT NULL`);
    await runner.query(`CREATE INDEX executions_by_request ON executions (org_id, lower(request_id)) WHERE request_id IS NOT NULL`);
    await runner.query(`DROP INDEX executions_by_day_and_chat, executions_by_day_and_event, executions_tests_by_request`);
  }
}
