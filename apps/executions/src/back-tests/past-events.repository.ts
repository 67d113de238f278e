import { Injectable } from '@nestjs/common';
import { sameId } from '@cf/contract';
import { ExecutionsDatabase } from '../database/executions-database.js';
import type { ExecutionFilters } from '../query/execution-filters.js';
import { ExecutionPages } from '../query/execution-pages.repository.js';

export interface PastEvent {
  readonly id: string;
  readonly type: string;
  /** Null when it was not kept whole: an execution that succeeded keeps 8 KiB of its event. */
  readonly text: string | null;
}

/** Several triggers take one event, so the newest executions are looked at to find so many different events. */
const EXECUTIONS_LOOKED_AT = 100;

const EVENTS = `
  SELECT DISTINCT ON (executions.event_id) executions.event_id AS id, executions.event_type AS type,
         CASE WHEN requests.truncated THEN NULL ELSE requests.body END AS text
  FROM executions LEFT JOIN requests ON requests.invocation_id = executions.invocation_id AND requests.accepted_at = executions.accepted_at
  WHERE executions.invocation_id = ANY($1::uuid[]) AND executions.event_id IS NOT NULL AND executions.trigger_id IS NOT NULL AND NOT executions.test
  ORDER BY executions.event_id, coalesce(requests.truncated, true)`;

/** Events that some trigger took: only those leave an execution, and with it their text. */
@Injectable()
export class PastEvents {
  constructor(
    private readonly database: ExecutionsDatabase,
    private readonly pages: ExecutionPages,
  ) {}

  async byIds(orgId: string, eventIds: readonly string[]): Promise<PastEvent[]> {
    const located = await this.pages.locate(orgId, { eventId: [...eventIds] });
    return this.read(orgId, located?.ids ?? []);
  }

  async newest(orgId: string, triggerId: string | null, count: number): Promise<PastEvent[]> {
    const filters: ExecutionFilters = { kind: ['trigger'], test: false, ...(triggerId === null ? {} : { triggerId: [triggerId] }) };
    const page = await this.pages.find({ orgId, filters, text: null, after: null, limit: EXECUTIONS_LOOKED_AT });
    // Notifications are events of ours, which no trigger took.
    const rows = page.rows.filter((row) => row.triggerId !== null);
    const ids = [...new Set(rows.flatMap(({ eventId }) => (eventId === null ? [] : [sameId(eventId)])))].slice(0, count);
    const events = await this.read(
      orgId,
      rows.map(({ invocationId }) => invocationId),
    );
    return ids.flatMap((id) => events.find((event) => sameId(event.id) === id) ?? []);
  }

  private read(orgId: string, invocationIds: readonly string[]): Promise<PastEvent[]> {
    return this.database.tenant(orgId, (manager) => manager.query<PastEvent[]>(EVENTS, [invocationIds]));
  }
}
