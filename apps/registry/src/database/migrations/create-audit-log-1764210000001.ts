import { enableRowLevelSecurity } from '@cf/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

const inEntry = (column: string, type: string, path: string): string => `${column} ${type} GENERATED ALWAYS AS (${path}) STORED`;

/**
 * What lists are filtered by is made from the entry by the database, so that it can never tell something else than the text that was
 * hashed. No role may change or remove an entry, and the trigger stops its owner too until somebody takes it away on purpose.
 */
const statements = [
  `CREATE TABLE audit_chains (
    org_id uuid PRIMARY KEY,
    sequence bigint NOT NULL,
    hash text NOT NULL
  )`,
  ...enableRowLevelSecurity('audit_chains'),
  `REVOKE DELETE ON audit_chains FROM cf_tenant, cf_system`,

  `CREATE TABLE audit_log (
    org_id uuid NOT NULL,
    sequence bigint NOT NULL,
    hash text NOT NULL,
    entry json NOT NULL,
    ${inEntry('event_id', 'uuid', `(entry ->> 'id')::uuid`)},
    ${inEntry('at', 'text COLLATE "C"', `entry ->> 'at'`)},
    ${inEntry('action', 'text', `entry ->> 'action'`)},
    ${inEntry('outcome', 'text', `entry ->> 'outcome'`)},
    ${inEntry('actor', 'text', `coalesce(entry #>> '{actor,id}', entry #>> '{actor,type}')`)},
    ${inEntry('subject_type', 'text', `entry #>> '{subject,type}'`)},
    ${inEntry('subject_id', 'text', `entry #>> '{subject,id}'`)},
    PRIMARY KEY (org_id, sequence),
    UNIQUE (org_id, event_id)
  )`,
  `CREATE INDEX audit_log_of_subject ON audit_log (org_id, subject_id, sequence)`,
  `CREATE INDEX audit_log_of_actor ON audit_log (org_id, actor, sequence)`,
  `CREATE INDEX audit_log_of_action ON audit_log (org_id, action, sequence)`,
  `CREATE INDEX audit_log_at ON audit_log (org_id, at)`,
  ...enableRowLevelSecurity('audit_log'),
  `REVOKE UPDATE, DELETE ON audit_log FROM cf_tenant, cf_system`,
  `CREATE FUNCTION refuse_audit_log_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'the audit log only grows'; END $$`,
  `CREATE TRIGGER audit_log_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_log_change()`,
];

export class CreateAuditLog1764210000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward'));
  }
}
