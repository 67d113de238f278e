import { createHash } from 'node:crypto';
import pg from 'pg';

const DAY_MS = 24 * 60 * 60_000;
/** Spread over the default retention, in the order of time, as they are recorded. */
const DAYS = 30;
/** Attempts are filled for the newest days only: a search in responses reads no others here. */
const DAYS_OF_ATTEMPTS = 2;
const CHUNK = 500_000;

export interface Filled {
  readonly orgId: string;
  readonly otherOrgId: string;
  /** The id that the SQL below makes for this kind of thing and number. */
  idOf(kind: string, number: number): string;
}

/**
 * Executions as a busy customer has them, made by Postgres: nine of ten belong to one organization, 200 functions of which a few get most calls,
 * 97 % succeeded, three steps for two triggers, chats of 20.
 */
const INSERT = `
  INSERT INTO executions.executions (invocation_id, org_id, kind, test, status, seq, next_attempt, by_result, attempt_count, cloud_function_id, trigger_id,
    event_id, event_type, chat_id, request_id, bot_execution_id, chat_bot_id, chat_bot_name, chat_bot_type, step_name, step_id,
    save_value_to_attribute, failure_branch, branch_kind, branch_option, branch_reason, return_value, failure_reason, http_status,
    duration_ms, completed_at, accepted_at, created_at)
  SELECT md5('invocation' || n)::uuid, CASE WHEN n % 10 = 0 THEN $3::uuid ELSE $2::uuid END, CASE WHEN step THEN 'step' ELSE 'trigger' END, n % 1000 = 0,
    CASE WHEN n % 100 < 97 THEN 'succeeded' WHEN n % 100 = 99 THEN 'retrying' WHEN step THEN 'failed' ELSE 'dead_lettered' END,
    1, 2, true, 1, md5('function' || floor(200 * power(random(), 3)))::uuid,
    CASE WHEN step THEN NULL ELSE md5('trigger' || floor(500 * power(random(), 3)))::uuid END,
    CASE WHEN step THEN NULL ELSE md5('event' || n)::uuid::text END, CASE WHEN step THEN NULL ELSE (ARRAY['ChatOpened','ChatEnded','MessagePosted','ChatArchived'])[n % 4 + 1] END,
    md5('chat' || n / 20)::uuid::text, CASE WHEN step THEN md5('request' || n)::uuid::text END, CASE WHEN step THEN md5('bot' || n)::uuid::text END,
    CASE WHEN step THEN md5('chatbot' || n % 50)::uuid::text END, CASE WHEN step THEN 'Appointment Scheduler' END, CASE WHEN step THEN 'LiveChat' END,
    CASE WHEN step THEN 'Look up patient' END, CASE WHEN step THEN 'step-' || n % 100 END, CASE WHEN step THEN 'AppointmentState' END, CASE WHEN step THEN true END,
    CASE WHEN step THEN 'option' END, CASE WHEN step THEN 'Scheduled' END, CASE WHEN step THEN 'matched' END, CASE WHEN step THEN 'Scheduled' END,
    CASE WHEN n % 100 >= 97 THEN (ARRAY['http_status','timeout','connection'])[n % 3 + 1] END,
    CASE WHEN n % 100 < 97 THEN 200 WHEN n % 3 = 0 THEN 500 END, 20 + 400 * power(random(), 8) * 50, at + interval '200 ms', at, at
  FROM (SELECT n, n % 5 < 3 AS step, $1::timestamptz + n * make_interval(secs => $4::float8) AS at FROM generate_series($5::bigint, $6::bigint) AS n) AS numbered`;

const INSERT_ATTEMPTS = `
  INSERT INTO executions.attempts (attempt_id, invocation_id, org_id, seq, number, origin, started_at, duration_ms, http_status, failure_reason,
    request_headers, response_headers, response_body, response_truncated)
  SELECT md5('attempt' || invocation_id)::uuid, invocation_id, org_id, 0, 1, 'automatic', created_at, duration_ms, http_status, failure_reason,
    '{"content-type":"application/json; charset=utf-8"}', '{"content-type":"application/json"}',
    '{"returnValue":"Scheduled","note":"' || md5(invocation_id::text) || ' of the patient","pad":"' || repeat('x', 200) || '"}', false
  FROM executions.executions WHERE created_at >= $1`;

export const fillExecutions = async (databaseUrl: string, rows: number, orgId: string, otherOrgId: string): Promise<Filled> => {
  const client = new pg.Client(databaseUrl);
  await client.connect();
  const startMs = Date.now() - DAYS * DAY_MS;
  const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
  for (let back = DAYS_OF_ATTEMPTS + 1; back > 1; back--) {
    const atMs = Date.now() - back * DAY_MS;
    await client.query(
      `CREATE TABLE IF NOT EXISTS executions.attempts_${day(atMs).replaceAll('-', '')} PARTITION OF executions.attempts FOR VALUES FROM ('${day(atMs)}T00:00:00Z') TO ('${day(atMs + DAY_MS)}T00:00:00Z')`,
    );
  }
  const stepSeconds = (DAYS * DAY_MS) / 1_000 / rows;
  for (let from = 0; from < rows; from += CHUNK) {
    const to = Math.min(from + CHUNK, rows) - 1;
    await client.query(INSERT, [new Date(startMs).toISOString(), orgId, otherOrgId, stepSeconds, from, to]);
    process.stdout.write(`  ${to + 1} rows\n`);
  }
  await client.query(INSERT_ATTEMPTS, [new Date(Date.now() - DAYS_OF_ATTEMPTS * DAY_MS).toISOString()]);
  await client.query('VACUUM ANALYZE executions.executions');
  await client.query('ANALYZE executions.attempts');
  await client.end();
  return { orgId, otherOrgId, idOf: (kind, number) => asUuid(createHash('md5').update(`${kind}${number}`).digest('hex')) };
};

const asUuid = (hex: string): string => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
