import { enableRowLevelSecurity } from '@cf/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Ids that the platform makes (chats, events, requests) are text as they came and compared in lower case; ours are uuids.
 * Rows change until they are final, so pages keep room for the next version of a row beside it (fillfactor).
 */
const tables = [
  `CREATE TABLE executions (
    invocation_id uuid PRIMARY KEY,
    org_id uuid NOT NULL,
    kind text NOT NULL,
    test boolean NOT NULL,
    status text NOT NULL,
    seq integer NOT NULL,
    next_attempt integer NOT NULL,
    by_result boolean NOT NULL,
    attempt_count integer NOT NULL,
    cloud_function_id uuid,
    trigger_id uuid,
    event_id text,
    event_type text,
    chat_id text,
    request_id text,
    bot_execution_id text,
    chat_bot_id text,
    chat_bot_name text,
    chat_bot_type text,
    step_name text,
    step_id text,
    save_value_to_attribute text,
    failure_branch boolean,
    branch_kind text,
    branch_option text,
    branch_reason text,
    near_miss text,
    return_value text,
    warning text,
    failure_reason text,
    failure_detail text,
    defer_reason text,
    http_status integer,
    duration_ms double precision,
    next_attempt_at timestamptz,
    completed_at timestamptz,
    accepted_at timestamptz,
    created_at timestamptz NOT NULL,
    step_result_offset bigint
  ) WITH (fillfactor = 80)`,
  `CREATE INDEX executions_newest ON executions (org_id, created_at DESC, invocation_id DESC)`,
  `CREATE INDEX executions_by_status ON executions (org_id, status, created_at DESC, invocation_id DESC) WHERE status <> 'succeeded'`,
  `CREATE INDEX executions_by_function ON executions (org_id, cloud_function_id, created_at DESC, invocation_id DESC)`,
  `CREATE INDEX executions_by_trigger ON executions (org_id, trigger_id, created_at DESC, invocation_id DESC) WHERE trigger_id IS NOT NULL`,
  `CREATE INDEX executions_by_chat ON executions (org_id, lower(chat_id), created_at DESC) WHERE chat_id IS NOT NULL`,
  `CREATE INDEX executions_by_event ON executions (org_id, lower(event_id)) WHERE event_id IS NOT NULL`,
  `CREATE INDEX executions_by_request ON executions (org_id, lower(request_id)) WHERE request_id IS NOT NULL`,

  `CREATE TABLE attempts (
    attempt_id uuid NOT NULL,
    invocation_id uuid NOT NULL,
    org_id uuid NOT NULL,
    seq integer NOT NULL,
    number integer NOT NULL,
    origin text NOT NULL,
    started_at timestamptz NOT NULL,
    duration_ms double precision NOT NULL,
    http_status integer,
    failure_reason text,
    failure_detail text,
    request_headers json NOT NULL,
    response_headers json,
    response_body text,
    response_truncated boolean,
    PRIMARY KEY (attempt_id, started_at)
  ) PARTITION BY RANGE (started_at)`,
  `CREATE INDEX attempts_by_invocation ON attempts (invocation_id)`,
  `CREATE TABLE attempts_default PARTITION OF attempts DEFAULT`,

  `CREATE TABLE requests (
    invocation_id uuid NOT NULL,
    org_id uuid NOT NULL,
    accepted_at timestamptz NOT NULL,
    envelope text NOT NULL,
    body text NOT NULL,
    truncated boolean NOT NULL,
    PRIMARY KEY (invocation_id, accepted_at)
  ) PARTITION BY RANGE (accepted_at)`,
  `CREATE TABLE requests_default PARTITION OF requests DEFAULT`,

  `CREATE TABLE due (
    invocation_id uuid PRIMARY KEY,
    org_id uuid NOT NULL,
    cloud_function_id uuid NOT NULL,
    trigger_id uuid,
    seq integer NOT NULL,
    attempt integer NOT NULL,
    origin text NOT NULL,
    priority smallint NOT NULL,
    due_at timestamptz NOT NULL,
    held boolean NOT NULL,
    leased_until timestamptz
  ) WITH (fillfactor = 80)`,
  `CREATE INDEX due_next ON due (priority, due_at) WHERE NOT held`,
  `CREATE INDEX due_held ON due (cloud_function_id, due_at) WHERE held`,
  `CREATE INDEX due_by_trigger ON due (trigger_id)`,

  `CREATE TABLE held_functions (
    cloud_function_id uuid PRIMARY KEY,
    org_id uuid NOT NULL,
    release_limit integer NOT NULL,
    next_release_at timestamptz
  )`,
  `CREATE INDEX held_functions_next ON held_functions (next_release_at) WHERE next_release_at IS NOT NULL`,

  `CREATE TABLE dead_letters (
    origin_topic text NOT NULL,
    origin_partition integer NOT NULL,
    origin_offset bigint NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    received_at timestamptz NOT NULL,
    key text,
    value_base64 text,
    value_sha256 text,
    truncated boolean NOT NULL,
    headers json NOT NULL,
    PRIMARY KEY (origin_topic, origin_partition, origin_offset, reason)
  )`,
  `CREATE INDEX dead_letters_newest ON dead_letters (received_at DESC)`,
  `GRANT SELECT, INSERT, UPDATE, DELETE ON dead_letters TO cf_system`,
];

const tenantTables = ['executions', 'attempts', 'requests', 'due', 'held_functions'];

/** What an API request never writes, the tenant's role cannot write. */
const readOnlyForTenants = `REVOKE INSERT, UPDATE, DELETE ON attempts, requests, held_functions FROM cf_tenant`;

export class CreateExecutions1764000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const guarded = tenantTables.flatMap((table) => enableRowLevelSecurity(table));
    for (const statement of [...tables, ...guarded, readOnlyForTenants]) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE ${[...tenantTables, 'dead_letters'].join(', ')}`);
  }
}
