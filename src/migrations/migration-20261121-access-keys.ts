import { Migration } from '@mikro-orm/migrations';
import { SYSTEM_ROLE } from '../database/source-isolation.js';

/** Access keys, of which only the digests are stored. */
export class Migration20261121AccessKeys extends Migration {
  override up(): void {
    this.addSql(
      `create table access_key (
         id uuid primary key,
         name text not null,
         hash bytea not null unique check (octet_length(hash) = 32),
         source_id int references source,
         scopes text[] not null check (cardinality(scopes) > 0 and scopes <@ array['submit', 'read', 'approve', 'ops']),
         created timestamptz not null default now(),
         expires_at timestamptz,
         revoked_at timestamptz)`,
    );
    // A name may be used again once its key is revoked.
    this.addSql(`create unique index access_key_name on access_key (name) where revoked_at is null`);
    // Servers look keys up; only the owner creates and revokes them.
    this.addSql(`grant select on access_key to ${SYSTEM_ROLE}`);
  }
}
