import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Every column has a default, so that the release before still writes on this schema. */
const statements = [
  `ALTER TABLE organizations ADD COLUMN retention_days integer NOT NULL DEFAULT 30`,
  `ALTER TABLE registered_apis ADD COLUMN tls json NOT NULL DEFAULT '{"caBundle":null,"clientCertificate":null,"sealedClientKey":null}'`,
  `ALTER TABLE cloud_functions ADD COLUMN triggers_paused boolean NOT NULL DEFAULT false, ADD COLUMN circuit_reset_at timestamptz(3)`,
];

export class ExtendRegistry1764200000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward'));
  }
}
