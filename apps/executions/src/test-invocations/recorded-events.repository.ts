import { Injectable } from '@nestjs/common';
import { sameId } from '@cf/contract';
import { ExecutionsDatabase } from '../database/executions-database.js';
import { ExecutionPages } from '../query/execution-pages.repository.js';
import type { SentEvent } from './plan-test.js';

const NEWEST_WHOLE = `
  SELECT executions.invocation_id AS "invocationId", executions.event_id AS id, executions.event_type AS type, executions.chat_id AS "chatId", requests.body
  FROM executions JOIN requests ON requests.invocation_id = executions.invocation_id AND requests.accepted_at = executions.accepted_at
  WHERE executions.invocation_id = ANY($1::uuid[]) AND NOT requests.truncated
  ORDER BY executions.created_at DESC LIMIT 1`;

export interface RecordedEvent extends SentEvent {
  /** Of the execution that keeps it. */
  readonly invocationId: string;
}

interface Row {
  readonly invocationId: string;
  readonly id: string;
  readonly type: string;
  readonly chatId: string | null;
  readonly body: string;
}

/** Events as executions keep them. */
@Injectable()
export class RecordedEventsRepository {
  constructor(
    private readonly database: ExecutionsDatabase,
    private readonly pages: ExecutionPages,
  ) {}

  /** The event byte for byte; null when no execution keeps it whole. */
  async find(orgId: string, eventId: string): Promise<RecordedEvent | null> {
    const located = await this.pages.locate(sameId(orgId), { eventId: [sameId(eventId)] });
    return this.database.tenant(orgId, async (manager) => {
      const [row]: Row[] = await manager.query(NEWEST_WHOLE, [located?.ids ?? []]);
      if (row === undefined) return null;
      const { id, type, ...kept } = row;
      return { event: { id, type }, ...kept };
    });
  }
}
