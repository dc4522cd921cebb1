import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../database/source-isolation.js';

/** The secret that signs cursors, the same for all instances. */
export class Migration20261130CursorSecret extends Migration {
  override up(): void {
    this.addSql(
      `create table cursor_secret (
         is_only_row boolean primary key default true check (is_only_row),
         secret bytea not null check (octet_length(secret) = 32))`,
    );
    // Made by the database, so that no statement contains it. Each UUID has 122 bits from a generator for cryptography.
    this.addSql(
      `insert into cursor_secret (secret)
       select sha256(convert_to(concat(gen_random_uuid(), gen_random_uuid(), gen_random_uuid()), 'UTF8'))`,
    );
    this.addSql(`grant select on cursor_secret to ${APP_ROLE}`);
  }
}
