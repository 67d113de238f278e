import { Injectable } from '@nestjs/common';
import { sameId } from '@cf/contract';
import { ExecutionsDatabase } from '../database/executions-database.js';
import { ExecutionPages } from '../query/execution-pages.repository.js';
import type { SentEvent } from './plan-test.js';

const NEWEST_WHOLE = `
  SELECT executions.event_id AS id, executions.event_type AS type, executions.chat_id AS "chatId", requests.body
  FROM executions JOIN requests ON requests.invocation_id = executions.invocation_id AND requests.accepted_at = executions.accepted_at
  WHERE executions.invocation_id = ANY($1::uuid[]) AND NOT requests.truncated
  ORDER BY executions.created_at DESC LIMIT 1`;

/** Events as executions keep them. */
@Injectable()
export class RecordedEventsRepository {
  constructor(
    private readonly database: ExecutionsDatabase,
    private readonly pages: ExecutionPages,
  ) {}

  /** The event byte for byte; null when no execution keeps it whole. */
  async find(orgId: string, eventId: string): Promise<SentEvent | null> {
    const located = await this.pages.locate(sameId(orgId), { eventId: [sameId(eventId)] });
    return this.database.tenant(orgId, async (manager) => {
      const [row]: { id: string; type: string; chatId: string | null; body: string }[] = await manager.query(NEWEST_WHOLE, [
        located?.ids ?? [],
      ]);
      return row === undefined ? null : { event: { id: row.id, type: row.type }, chatId: row.chatId, body: row.body };
    });
  }
}
