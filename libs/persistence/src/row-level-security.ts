import { SYSTEM_ROLE, TENANT_ROLE } from './roles.js';

/** The organization of the running transaction; after a transaction the setting is left empty, not missing. */
const CURRENT_ORGANIZATION = `nullif(current_setting('cf.org_id', true), '')::uuid`;

/**
 * SQL statements for a migration, after the one that creates `table`: `cf_tenant` sees and writes only rows whose `orgColumn` (a uuid)
 * is the organization of its transaction, `cf_system` all rows. Partitions are reached through their table and need nothing.
 */
export const enableRowLevelSecurity = (table: string, orgColumn = 'org_id'): string[] => {
  const ownRows = `${orgColumn} = ${CURRENT_ORGANIZATION}`;
  return [
    `alter table ${table} enable row level security`,
    `create policy tenant_rows on ${table} to ${TENANT_ROLE} using (${ownRows}) with check (${ownRows})`,
    `create policy system_rows on ${table} to ${SYSTEM_ROLE} using (true) with check (true)`,
    `grant select, insert, update, delete on ${table} to ${TENANT_ROLE}, ${SYSTEM_ROLE}`,
  ];
};
