import type pg from 'pg';
import { codeOf } from './database-error.js';
import { TENANT_ROLE } from './roles.js';

/** The columns by which a row belongs to an organization; a table that has one must have row-level security. */
const ORGANIZATION_COLUMNS = ['org_id', 'organization_id'];

/** A leak shows its first row at once; a sound policy without an index looks at every row, and a start cannot wait for a huge table. */
const LOOK_TIMEOUT_MS = 5_000;
const QUERY_CANCELED = '57014';

interface Relation {
  readonly name: string;
  readonly readable: boolean;
  readonly guarded: boolean;
  readonly tenanted: boolean;
}

/**
 * Throws when the tenant role could see rows of an organization that its transaction does not name: when it has powers of its own, when it may read
 * a table of organizations that lacks row-level security, or when it sees any row of the schema without an organization (guarantees.md §8).
 */
export const checkTenancy = async (client: pg.ClientBase, schema: string): Promise<void> => {
  await checkPowers(client);
  const relations = await client.query<Relation>(
    `select format('%I.%I', n.nspname, c.relname) as name,
            has_schema_privilege($2, n.oid, 'usage') and has_any_column_privilege($2, c.oid, 'select') as readable,
            c.relrowsecurity or c.relkind = 'v' as guarded,
            exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = any($3) and not a.attisdropped) as tenanted
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = $1 and c.relkind in ('r', 'p', 'v', 'm', 'f')
      order by 1`,
    [schema, TENANT_ROLE, ORGANIZATION_COLUMNS],
  );
  const readable = relations.rows.filter((relation) => relation.readable);
  const unguarded = readable.find((relation) => relation.tenanted && !relation.guarded);
  if (unguarded) throw new Error(`${TENANT_ROLE} may read ${unguarded.name}, which has rows of organizations but no row-level security`);
  for (const { name } of readable) {
    if (await seesARow(client, name))
      throw new Error(`${TENANT_ROLE} sees rows of ${name} without an organization: its row-level security is missing or wrong`);
  }
};

const checkPowers = async (client: pg.ClientBase): Promise<void> => {
  const { rows } = await client.query<{ power: string }>(
    `select 'is a superuser' as power from pg_roles where rolname = $1 and rolsuper
     union all select 'bypasses row-level security' from pg_roles where rolname = $1 and rolbypassrls
     union all select 'may log in' from pg_roles where rolname = $1 and rolcanlogin
     union all select format('is a member of %I', roleid::regrole) from pg_auth_members where member = $1::regrole
     union all select format('owns %s', oid::regclass) from pg_class where relowner = $1::regrole`,
    [TENANT_ROLE],
  );
  if (rows[0]) throw new Error(`the role ${TENANT_ROLE} ${rows[0].power}, so row-level security would not hold organizations apart`);
};

const seesARow = async (client: pg.ClientBase, name: string): Promise<boolean> => {
  await client.query('begin');
  try {
    await client.query(`set local statement_timeout = ${LOOK_TIMEOUT_MS}`);
    await client.query(`set local role ${TENANT_ROLE}`);
    const { rows } = await client.query<{ sees: boolean }>(`select exists (select from ${name}) as sees`);
    return rows[0]?.sees === true;
  } catch (error) {
    if (codeOf(error) === QUERY_CANCELED) return false;
    throw error;
  } finally {
    await client.query('rollback');
  }
};
