import { buildIndex, dropIndex } from '@cf/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Look-ups by ids of the platform without an index that every recorded row touches somewhere else (`locate-executions.ts`). */
const DAY = `date_bin('1 day', created_at, TIMESTAMPTZ '2000-01-01 00:00:00+00')`;

const byDay: readonly (readonly [name: string, on: string])[] = [
  ['executions_by_day_and_chat', `executions ((${DAY}), hashtextextended(lower(chat_id), 0), created_at DESC) WHERE chat_id IS NOT NULL`],
  ['executions_by_day_and_event', `executions ((${DAY}), hashtextextended(lower(event_id), 0)) WHERE event_id IS NOT NULL`],
  ['executions_tests_by_request', 'executions (org_id, lower(request_id)) WHERE test AND request_id IS NOT NULL'],
];

const byOrganization: typeof byDay = [
  ['executions_by_chat', 'executions (org_id, lower(chat_id), created_at DESC) WHERE chat_id IS NOT NULL'],
  ['executions_by_event', 'executions (org_id, lower(event_id)) WHERE event_id IS NOT NULL'],
  ['executions_by_request', 'executions (org_id, lower(request_id)) WHERE request_id IS NOT NULL'],
];

export class LookUpByDay1764300006100 implements MigrationInterface {
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    for (const [name, on] of byDay) await buildIndex(runner, name, on);
    for (const [name] of byOrganization) await dropIndex(runner, name);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const [name, on] of byOrganization) await buildIndex(runner, name, on);
    for (const [name] of byDay) await dropIndex(runner, name);
  }
}
