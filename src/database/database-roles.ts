import type { Client } from 'pg';
import { APP_ROLE, SYSTEM_ROLE } from './source-isolation.js';

/** The database roles do not exist, or the database's user may neither create nor take them. */
export class RolesMissingError extends Error {
  constructor() {
    super(
      `The database's user may not create the roles for source isolation, or not take them. Have an administrator run, once, what is missing of:\n` +
        `  create role ${APP_ROLE}; create role ${SYSTEM_ROLE}; grant ${APP_ROLE} to ${SYSTEM_ROLE};\n` +
        `  grant ${APP_ROLE}, ${SYSTEM_ROLE} to <the user>;`,
    );
  }
}

/** PostgreSQL's `insufficient_privilege`. */
const MAY_NOT = '42501';

/**
 * Creates the roles for source isolation, which belong to the whole server rather than to a database, and lets our own
 * user take them. What another instance has done already, for this or another database, is left as it is.
 * @throws RolesMissingError
 */
export async function ensureRoles(client: Client): Promise<void> {
  try {
    await client.query(ENSURE_ROLES);
  } catch (error) {
    if ((error as { code?: unknown }).code === MAY_NOT) throw new RolesMissingError();
    throw error;
  }
}

// Neither may log in, own our tables, or bypass row-level security. Another instance may create them at the same time.
const ENSURE_ROLES = `
  do $$
  declare
    wanted record;
  begin
    for wanted in select unnest(array['${APP_ROLE}', '${SYSTEM_ROLE}']) as name loop
      if not exists (select from pg_roles where rolname = wanted.name) then
        begin
          execute format('create role %I nologin nosuperuser nocreatedb nocreaterole nobypassrls', wanted.name);
        exception when duplicate_object or unique_violation then
          null;
        end;
      end if;
    end loop;
    if exists (
      select from pg_roles where rolname in ('${APP_ROLE}', '${SYSTEM_ROLE}') and (rolsuper or rolbypassrls or rolcanlogin))
    then
      raise exception 'the roles for source isolation must neither log in nor bypass row-level security';
    end if;
    for wanted in
      select given.* from (values
        ('${APP_ROLE}', '${SYSTEM_ROLE}', 'USAGE'), ('${APP_ROLE}', session_user, 'SET'), ('${SYSTEM_ROLE}', session_user, 'SET')
      ) given (role, member, needs)
      where not pg_has_role(given.member::name, given.role::name,
        -- Before PostgreSQL 16 every member may take the role.
        case when current_setting('server_version_num')::int < 160000 then 'MEMBER' else given.needs end)
    loop
      begin
        execute format('grant %I to %I', wanted.role, wanted.member);
      exception when unique_violation then
        null;
      end;
    end loop;
  end $$`;
