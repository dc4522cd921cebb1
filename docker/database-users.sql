-- The users of the database, for docker-compose.yml; may be run any number of times. The servers' user owns nothing: it
-- cannot change tables, policies or logs. docs/operations.md explains the roles.

-- Run by a superuser, with the passwords as settings of the session: setup.owner_password, setup.server_password.
do $$
declare
  wanted record;
begin
  for wanted in
    select * from (values ('counterpart_owner', true), ('counterpart_server', true),
                          ('counterpart_app', false), ('counterpart_system', false)) as role (name, logs_in)
  loop
    if not exists (select from pg_roles where rolname = wanted.name) then
      execute format('create role %I nosuperuser nocreatedb nocreaterole nobypassrls', wanted.name);
    end if;
    if wanted.logs_in then
      execute format('alter role %I login password %L', wanted.name,
                     current_setting(replace(wanted.name, 'counterpart_', 'setup.') || '_password'));
    end if;
  end loop;
  execute format('alter database %I owner to counterpart_owner', current_database());
end $$;

alter schema public owner to counterpart_owner;
grant counterpart_app to counterpart_system;
grant counterpart_app, counterpart_system to counterpart_owner;
grant counterpart_app to counterpart_server;
-- It takes this role for the work that needs it, and has none of its rights otherwise.
grant counterpart_system to counterpart_server with inherit false;
