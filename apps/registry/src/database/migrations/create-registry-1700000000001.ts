import { enableRowLevelSecurity } from '@cf/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

const stamps = `
  version integer NOT NULL,
  created_at timestamptz(3) NOT NULL,
  updated_at timestamptz(3) NOT NULL`;

/** References name the organization too, so that a row can never point into another's. */
const statements = [
  `CREATE TABLE organizations (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    cloud_functions_enabled boolean NOT NULL,
    ${stamps}
  )`,
  `CREATE INDEX organizations_newest ON organizations (created_at DESC, id DESC)`,
  ...enableRowLevelSecurity('organizations', 'id'),

  `CREATE TABLE access_tokens (
    id uuid PRIMARY KEY,
    org_id uuid NOT NULL REFERENCES organizations (id),
    name text NOT NULL,
    hash text NOT NULL UNIQUE,
    scopes json NOT NULL,
    expires_at timestamptz(3),
    last_used_at timestamptz(3),
    ${stamps}
  )`,
  `CREATE INDEX access_tokens_newest ON access_tokens (org_id, created_at DESC, id DESC)`,
  ...enableRowLevelSecurity('access_tokens'),

  `CREATE TABLE registered_apis (
    id uuid PRIMARY KEY,
    org_id uuid NOT NULL REFERENCES organizations (id),
    name text NOT NULL,
    base_url text NOT NULL,
    is_read_only boolean NOT NULL,
    headers json NOT NULL,
    "authorization" json NOT NULL,
    ${stamps},
    UNIQUE (org_id, id)
  )`,
  `CREATE INDEX registered_apis_newest ON registered_apis (org_id, created_at DESC, id DESC)`,
  ...enableRowLevelSecurity('registered_apis'),

  `CREATE TABLE cloud_functions (
    id uuid PRIMARY KEY,
    org_id uuid NOT NULL REFERENCES organizations (id),
    name text NOT NULL,
    registered_api_id uuid NOT NULL,
    endpoint_url text NOT NULL,
    branch_options json NOT NULL,
    enabled boolean NOT NULL,
    timeout_ms integer NOT NULL,
    max_concurrency integer NOT NULL,
    signing json NOT NULL,
    ${stamps},
    UNIQUE (org_id, id),
    FOREIGN KEY (org_id, registered_api_id) REFERENCES registered_apis (org_id, id)
  )`,
  `CREATE INDEX cloud_functions_newest ON cloud_functions (org_id, created_at DESC, id DESC)`,
  `CREATE INDEX cloud_functions_of_api ON cloud_functions (org_id, registered_api_id)`,
  ...enableRowLevelSecurity('cloud_functions'),

  `CREATE TABLE triggers (
    id uuid PRIMARY KEY,
    org_id uuid NOT NULL REFERENCES organizations (id),
    name text NOT NULL,
    action_type text NOT NULL,
    cloud_function_id uuid NOT NULL,
    enabled boolean NOT NULL,
    trigger_events json NOT NULL,
    loop_guard_limit integer,
    ${stamps},
    FOREIGN KEY (org_id, cloud_function_id) REFERENCES cloud_functions (org_id, id)
  )`,
  `CREATE INDEX triggers_newest ON triggers (org_id, created_at DESC, id DESC)`,
  `CREATE INDEX triggers_of_function ON triggers (org_id, cloud_function_id)`,
  ...enableRowLevelSecurity('triggers'),

  `CREATE TABLE changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org_id uuid NOT NULL,
    topic text NOT NULL,
    resource_id uuid NOT NULL,
    version integer NOT NULL,
    value text,
    publish_at timestamptz NOT NULL DEFAULT now()
  )`,
  `CREATE INDEX changes_of_resource ON changes (resource_id)`,
  ...enableRowLevelSecurity('changes'),
];

export class CreateRegistry1700000000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
  }

  /** Migrations only go forward: an older release runs on the newer schema, or a backup is restored. */
  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward'));
  }
}
