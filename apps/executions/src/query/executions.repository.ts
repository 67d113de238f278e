import { Injectable } from '@nestjs/common';
import { keyedTransaction } from '@cf/idempotency';
import type { EntityManager } from 'typeorm';
import type { Execution } from '../execution.js';
import { ExecutionsDatabase } from '../database/executions-database.js';
import { readExecution, selectedColumns } from '../database/execution-columns.js';
import { PRIORITY } from '../recording/plan-recording.js';
import type { ExecutionDetail, StoredAttempt, StoredRequest } from './execution-view.js';

type Row = Parameters<typeof readExecution>[0];

/** More attempts than 24 h of retries and a patient person make. */
const ATTEMPTS_SHOWN_MAX = 1_000;

const ATTEMPTS = `
  SELECT attempt_id AS "attemptId", number, origin, started_at AS "startedAt", duration_ms AS "durationMs", http_status AS "httpStatus",
         failure_reason AS "failureReason", failure_detail AS "failureDetail", request_headers AS "requestHeaders",
         response_headers AS "responseHeaders", response_body AS "responseBody", response_truncated AS "responseTruncated"
  FROM attempts WHERE invocation_id = $1 ORDER BY started_at, number, attempt_id LIMIT ${ATTEMPTS_SHOWN_MAX + 1}`;

const SCHEDULE_NOW = `
  INSERT INTO due AS known (invocation_id, org_id, cloud_function_id, trigger_id, seq, attempt, origin, priority, due_at, held)
  SELECT invocation_id, org_id, cloud_function_id, trigger_id, seq, next_attempt, 'manual_retry', ${PRIORITY.byHand}, now(), false
  FROM executions WHERE invocation_id = $1
  ON CONFLICT (invocation_id) DO UPDATE
  SET origin = excluded.origin, priority = excluded.priority, due_at = excluded.due_at, held = excluded.held, paused = false`;

const MARK_ORDERED = `
  UPDATE executions SET status = 'queued', next_attempt_at = date_trunc('milliseconds', now()), completed_at = NULL, duration_ms = NULL,
         defer_reason = NULL, by_result = false, paused = false, bulk = false, retry_until = now() + interval '24 hours'
  WHERE invocation_id = $1`;

/** What people ask, as the tenant's role: row-level security stands behind every statement. */
@Injectable()
export class ExecutionsRepository {
  constructor(private readonly database: ExecutionsDatabase) {}

  find(orgId: string, invocationId: string): Promise<ExecutionDetail | null> {
    return this.database.tenant(orgId, (manager) => this.detail(manager, invocationId));
  }

  /** Locks the execution, lets `approve` refuse by throwing, and makes it due now. Null when there is none. */
  retryNow(orgId: string, invocationId: string, approve: (row: Execution) => Promise<void>): Promise<ExecutionDetail | null> {
    const keyed = keyedTransaction();
    return this.database.tenant(orgId, async (manager) => {
      await keyed?.begin(manager);
      const [row]: Row[] = await manager.query(`SELECT ${selectedColumns} FROM executions WHERE invocation_id = $1 FOR UPDATE`, [
        invocationId,
      ]);
      if (row === undefined) return null;
      await approve(readExecution(row));
      await manager.query(SCHEDULE_NOW, [invocationId]);
      await manager.query(MARK_ORDERED, [invocationId]);
      const detail = await this.detail(manager, invocationId);
      await keyed?.keep(manager, detail);
      return detail;
    });
  }

  private async detail(manager: EntityManager, invocationId: string): Promise<ExecutionDetail | null> {
    const [row]: Row[] = await manager.query(`SELECT ${selectedColumns} FROM executions WHERE invocation_id = $1`, [invocationId]);
    if (row === undefined) return null;
    const execution = readExecution(row);
    const attempts: StoredAttempt[] = await manager.query(ATTEMPTS, [invocationId]);
    const [request]: StoredRequest[] = await manager.query(
      'SELECT body, truncated FROM requests WHERE invocation_id = $1 AND accepted_at = $2',
      [invocationId, execution.acceptedAt],
    );
    return {
      row: execution,
      attempts: attempts.slice(0, ATTEMPTS_SHOWN_MAX),
      attemptsTruncated: attempts.length > ATTEMPTS_SHOWN_MAX,
      request: request ?? null,
    };
  }
}
