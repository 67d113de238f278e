import { enableRowLevelSecurity } from '@cf/persistence';

/** SQL statements for a migration of the service that owns the schema: the table that `IdempotencyKeys` keeps its keys in. */
export const idempotencyTable = (): string[] => [
  `CREATE TABLE idempotency_keys (
    id bytea PRIMARY KEY,
    org_id uuid,
    fingerprint bytea NOT NULL,
    claim uuid NOT NULL,
    lease_until timestamptz NOT NULL,
    answer bytea,
    created_at timestamptz NOT NULL DEFAULT now()
  )`,
  `CREATE INDEX idempotency_keys_oldest ON idempotency_keys (created_at)`,
  ...enableRowLevelSecurity('idempotency_keys'),
];
