import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Execution } from '../execution.js';
import { ExecutionsDatabase } from '../database/executions-database.js';
import { type CopyTarget, copyRows } from '../database/copy-rows.js';
import { executionsCopy, readExecution, selectedColumns, updateExecutions } from '../database/execution-columns.js';
import { storableJson } from '../database/storable-json.js';
import type { AttemptRow, DueRow, RequestRow } from './plan-recording.js';

const attemptsCopy: CopyTarget<AttemptRow> = {
  table: 'attempts',
  columns: [
    'attempt_id',
    'invocation_id',
    'org_id',
    'seq',
    'number',
    'origin',
    'started_at',
    'duration_ms',
    'http_status',
    'failure_reason',
    'failure_detail',
    'request_headers',
    'response_headers',
    'response_body',
    'response_truncated',
  ],
  write: (out, row) => {
    out.uuid(row.attemptId);
    out.uuid(row.invocationId);
    out.uuid(row.orgId);
    out.integer(row.seq);
    out.integer(row.number);
    out.text(row.origin);
    out.timestamptz(row.startedAt);
    out.float8(row.durationMs);
    out.integer(row.httpStatus);
    out.text(row.failureReason);
    out.text(row.failureDetail);
    out.text(storableJson(row.requestHeaders));
    out.text(row.responseHeaders === null ? null : storableJson(row.responseHeaders));
    out.text(row.responseBody);
    out.boolean(row.responseTruncated);
  },
};

const requestsCopy: CopyTarget<RequestRow> = {
  table: 'requests',
  columns: ['invocation_id', 'org_id', 'accepted_at', 'envelope', 'body', 'truncated'],
  write: (out, row) => {
    out.uuid(row.invocationId);
    out.uuid(row.orgId);
    out.timestamptz(row.acceptedAt);
    out.text(row.envelope);
    out.text(row.body);
    out.boolean(row.truncated);
  },
};

/** A second record of an attempt has the same start, so that few of the daily partitions are looked at. */
const KNOWN_ATTEMPTS = `
  SELECT attempt_id AS id FROM attempts
  WHERE invocation_id = ANY($1::uuid[]) AND started_at >= $2::timestamptz AND started_at <= $3::timestamptz`;

const SAVE_REQUESTS = `
  INSERT INTO requests AS known (invocation_id, org_id, accepted_at, envelope, body, truncated)
  SELECT given."invocationId", given."orgId", given."acceptedAt", given."envelope", given."body", given."truncated"
  FROM json_to_recordset($1::json) AS given("invocationId" uuid, "orgId" uuid, "acceptedAt" timestamptz, "envelope" text, "body" text, "truncated" boolean)
  ON CONFLICT (invocation_id, accepted_at) DO UPDATE SET body = excluded.body, truncated = excluded.truncated
  WHERE known.truncated <> excluded.truncated`;

/** A row is replaced by a later sending only: what was claimed meanwhile keeps its lease unless there is something newer. */
const SCHEDULE = `
  INSERT INTO due AS known (invocation_id, org_id, cloud_function_id, trigger_id, seq, attempt, origin, priority, due_at, held)
  SELECT given."invocationId", given."orgId", given."cloudFunctionId", given."triggerId", given."seq", given."attempt", given."origin",
         given."priority", given."dueAt", given."held"
  FROM json_to_recordset($1::json) AS given("invocationId" uuid, "orgId" uuid, "cloudFunctionId" uuid, "triggerId" uuid, "seq" integer,
         "attempt" integer, "origin" text, "priority" smallint, "dueAt" timestamptz, "held" boolean)
  ORDER BY given."invocationId"
  ON CONFLICT (invocation_id) DO UPDATE
  SET seq = excluded.seq, attempt = excluded.attempt, origin = excluded.origin, priority = excluded.priority, due_at = excluded.due_at,
      held = excluded.held, paused = false, leased_until = NULL
  WHERE excluded.seq > known.seq`;

/** A function that was deferred again starts from the slowest pace. */
const HOLD_FUNCTIONS = `
  INSERT INTO held_functions AS known (cloud_function_id, org_id, release_limit, next_release_at)
  SELECT id, org_id, $3, now() FROM unnest($1::uuid[], $2::uuid[]) AS given(id, org_id) ORDER BY id
  ON CONFLICT (cloud_function_id) DO UPDATE
  SET release_limit = excluded.release_limit, next_release_at = coalesce(known.next_release_at, excluded.next_release_at)`;

const HASTEN_FUNCTIONS = `
  UPDATE held_functions SET release_limit = least(release_limit * 2, $2)
  WHERE cloud_function_id IN (
    SELECT cloud_function_id FROM held_functions WHERE cloud_function_id = ANY($1::uuid[]) AND next_release_at IS NOT NULL
    ORDER BY cloud_function_id FOR UPDATE)`;

/** Statements of one recording transaction, each for a whole batch. Rows are locked in the order of their ids, so that batches cannot deadlock. */
@Injectable()
export class ResultsRepository {
  constructor(private readonly database: ExecutionsDatabase) {}

  transaction<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return this.database.owner(work);
  }

  /** When chats were erased, by their hash. The first statement of the transaction: an erasure waits for those that asked before it. */
  async erasedChats(manager: EntityManager, hashes: readonly string[]): Promise<ReadonlyMap<string, Date>> {
    const rows: { hash: string; erasedAt: Date }[] = await manager.query(
      'SELECT chat_hash AS hash, erased_at AS "erasedAt" FROM erased_chats WHERE chat_hash = ANY($1::text[])',
      [hashes],
    );
    return new Map(rows.map(({ hash, erasedAt }) => [hash, erasedAt]));
  }

  async lockExecutions(manager: EntityManager, invocationIds: readonly string[]): Promise<Map<string, Execution>> {
    const rows: Parameters<typeof readExecution>[0][] = await manager.query(
      `SELECT ${selectedColumns} FROM executions WHERE invocation_id = ANY($1::uuid[]) ORDER BY invocation_id FOR UPDATE`,
      [invocationIds],
    );
    return new Map(rows.map(readExecution).map((row) => [row.invocationId, row]));
  }

  /** Ids of those attempts that are recorded already; asked only of invocations that are. */
  async knownAttempts(manager: EntityManager, attempts: readonly AttemptRow[]): Promise<ReadonlySet<string>> {
    if (attempts.length === 0) return new Set();
    const starts = attempts.map(({ startedAt }) => Date.parse(startedAt));
    // Postgres keeps microseconds, `Date` milliseconds.
    const bounds = [Math.min(...starts), Math.max(...starts) + 1].map((ms) => new Date(ms).toISOString());
    const invocationIds = [...new Set(attempts.map(({ invocationId }) => invocationId))];
    const rows: { id: string }[] = await manager.query(KNOWN_ATTEMPTS, [invocationIds, ...bounds]);
    return new Set(rows.map(({ id }) => id));
  }

  insertAttempts(manager: EntityManager, attempts: readonly AttemptRow[]): Promise<void> {
    return copyRows(manager, attemptsCopy, attempts);
  }

  insertExecutions(manager: EntityManager, rows: readonly Execution[]): Promise<void> {
    return copyRows(manager, executionsCopy, rows);
  }

  insertRequests(manager: EntityManager, rows: readonly RequestRow[]): Promise<void> {
    return copyRows(manager, requestsCopy, rows);
  }

  async updateExecutions(manager: EntityManager, rows: readonly Execution[]): Promise<void> {
    if (rows.length > 0) await manager.query(updateExecutions, [storableJson(rows)]);
  }

  async saveRequests(manager: EntityManager, requests: readonly RequestRow[]): Promise<void> {
    if (requests.length > 0) await manager.query(SAVE_REQUESTS, [storableJson(requests)]);
  }

  async schedule(manager: EntityManager, due: readonly DueRow[]): Promise<void> {
    if (due.length > 0) await manager.query(SCHEDULE, [storableJson(due)]);
  }

  async unschedule(manager: EntityManager, invocationIds: readonly string[]): Promise<void> {
    if (invocationIds.length > 0) await manager.query('DELETE FROM due WHERE invocation_id = ANY($1::uuid[])', [invocationIds]);
  }

  async hastenFunctions(manager: EntityManager, functionIds: readonly string[], releaseMax: number): Promise<void> {
    if (functionIds.length > 0) await manager.query(HASTEN_FUNCTIONS, [functionIds, releaseMax]);
  }

  async holdFunctions(
    manager: EntityManager,
    functions: ReadonlyMap<string, { readonly orgId: string }>,
    releaseFirst: number,
  ): Promise<void> {
    if (functions.size === 0) return;
    const orgIds = [...functions.values()].map(({ orgId }) => orgId);
    await manager.query(HOLD_FUNCTIONS, [[...functions.keys()], orgIds, releaseFirst]);
  }
}
