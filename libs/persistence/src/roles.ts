import { setTimeout } from 'node:timers/promises';
import type pg from 'pg';
import { codeOf } from './database-error.js';

/** What an API request runs as: sees the rows of the organization that its transaction names, and nothing without one. */
export const TENANT_ROLE = 'cf_tenant';
/** What background work of a service runs as: sees all rows of its service. */
export const SYSTEM_ROLE = 'cf_system';

/** Roles belong to the whole server: services that start at once in several databases meet here, and an advisory lock is per database. */
const RACE_LOST = new Set(['42710', '23505', 'XX000']);
const TRIES_MAX = 20;

/** Creates both roles where they are missing and lets the login take them on. Safe to run from several programs at once. */
export const ensureRoles = async (client: pg.ClientBase): Promise<void> => {
  for (const role of [TENANT_ROLE, SYSTEM_ROLE]) {
    await insist(async () => {
      const known = await client.query('select from pg_roles where rolname = $1', [role]);
      if (known.rowCount === 0)
        await client.query(`create role ${role} nologin nosuperuser nobypassrls nocreatedb nocreaterole noreplication`);
    });
    await insist(async () => {
      const member = await client.query<{ may: boolean }>(`select ${mayBecome} as may`, [role]);
      if (!member.rows[0]?.may) await client.query(`grant ${role} to current_user`);
    });
  }
};

/** A superuser may become anybody; any other login must be a member (a creator of a role is only its administrator). */
const mayBecome = `(select rolsuper from pg_roles where rolname = current_user)
  or exists (select from pg_auth_members where member = (select oid from pg_roles where rolname = current_user) and roleid = $1::regrole
             and coalesce((to_jsonb(pg_auth_members) ->> 'set_option')::boolean, true))`;

const insist = async (work: () => Promise<void>): Promise<void> => {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      const code = codeOf(error) ?? '';
      if (code === '42501') {
        throw new Error(
          `the login of DATABASE_URL may not create the roles ${TENANT_ROLE} and ${SYSTEM_ROLE}: give it CREATEROLE, or have an administrator run ` +
            `"create role ${TENANT_ROLE} nologin; create role ${SYSTEM_ROLE} nologin; grant ${TENANT_ROLE}, ${SYSTEM_ROLE} to <login>"`,
          { cause: error },
        );
      }
      if (!RACE_LOST.has(code) || tries === TRIES_MAX) throw error;
      await setTimeout(5 + Math.random() * 20);
    }
  }
};
