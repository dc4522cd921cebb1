import type { EntityManager } from '@mikro-orm/postgresql';
import { v7 as uuid } from 'uuid';
import { appendAudit, type AuditEntry } from '../audit/append-audit.js';
import type { Caller, Scope } from '../http/caller.js';
import { sqlState } from '../database/outage.js';
import { acrossSources, asSessionUser } from '../database/source-isolation.js';
import { digestOf, newKey } from './key-text.js';

/** https://www.postgresql.org/docs/18/errcodes-appendix.html */
const UNIQUE_VIOLATION = '23505';

/** What a new key is to be. */
export interface NewAccessKey {
  name: string;
  /** The source that it is bound to; null: any source, for operators. */
  source: string | null;
  scopes: readonly Scope[];
  /** When it stops being valid; null: never. */
  expiresAt: Date | null;
}

/** A key as it is listed. The secret itself is known to its holder only. */
export interface ListedKey {
  name: string;
  source: string | null;
  scopes: Scope[];
  created: Date;
  expiresAt: Date | null;
  state: 'active' | 'expired' | 'revoked';
}

/** A key of that name exists already and is not revoked. */
export class NameTakenError extends Error {
  override readonly name = 'NameTakenError';
}

/** The keys of all callers. Nothing is cached between requests, so that every change takes effect at once. */
export class AccessKeys {
  constructor(private readonly em: EntityManager) {}

  /** The holder of a key that is valid by the database's clock; null for any other key. */
  async findCaller(key: string): Promise<Caller | null> {
    const [row] = await this.execute<{ id: string; name: string; source: string | null; scopes: Scope[] }>(
      `select k.id, k.name, s.name as source, k.scopes
         from access_key k left join source s on s.id = k.source_id
        where k.hash = ? and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())`,
      [digestOf(key)],
    );
    return row ? { name: row.name, keyId: row.id, source: row.source, scopes: row.scopes } : null;
  }

  /**
   * Makes a key, and its source if that is new. @returns the key, which cannot be read again later
   * @param by who makes it, for the audit log
   * @throws NameTakenError
   */
  async create({ name, source, scopes, expiresAt }: NewAccessKey, by: string): Promise<string> {
    const key = newKey();
    try {
      const sourceId = source === null ? null : await this.ensureSource(source);
      await this.asOwner(async (em) => {
        await em.execute(
          `insert into access_key (id, name, hash, source_id, scopes, expires_at)
           values (?, ?, ?, ?, string_to_array(?, ','), ?)`,
          [uuid(), name, digestOf(key), sourceId, scopes.join(','), expiresAt],
        );
        await appendAudit(em, [entryOf('key.created', name, source, by)]);
      });
    } catch (error) {
      throw sqlState(error) === UNIQUE_VIOLATION ? new NameTakenError(name, { cause: error }) : error;
    }
    return key;
  }

  /** All keys, expired and revoked ones too, newest first. */
  async list(): Promise<ListedKey[]> {
    return this.execute<ListedKey>(
      `select k.name, s.name as source, k.scopes, k.created, k.expires_at as "expiresAt",
              case when k.revoked_at is not null then 'revoked'
                   when k.expires_at <= now() then 'expired' else 'active' end as state
         from access_key k left join source s on s.id = k.source_id order by k.id desc`,
    );
  }

  /**
   * Revokes a key for good. @returns false if there is no key of that name, or it is revoked already
   * @param by who revokes it, for the audit log
   */
  async revoke(name: string, by: string): Promise<boolean> {
    const [key] = await this.execute<{ id: string; source: string | null }>(
      `select k.id, s.name as source from access_key k left join source s on s.id = k.source_id
        where k.name = ? and k.revoked_at is null`,
      [name],
    );
    if (!key) return false;
    return this.asOwner(async (em) => {
      const sql = 'update access_key set revoked_at = now() where id = ? and revoked_at is null returning id';
      const revoked = await em.execute<unknown[]>(sql, [key.id]);
      if (revoked.length === 0) return false;
      await appendAudit(em, [entryOf('key.revoked', name, key.source, by)]);
      return true;
    });
  }

  /** Whether there is any valid key. */
  async isAnyValid(): Promise<boolean> {
    const [row] = await this.execute<{ any: boolean }>(
      `select exists (select from access_key where revoked_at is null
                       and (expires_at is null or expires_at > now())) as "any"`,
    );
    return row?.any ?? false;
  }

  /** Keys are not rows of a source: they are looked up before the source of the request is known. */
  private execute<Row>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return acrossSources(() => this.em.fork().execute<Row[]>(sql, values));
  }

  private async ensureSource(name: string): Promise<number | null> {
    await this.execute('insert into source (name) values (?) on conflict do nothing', [name]);
    const [row] = await this.execute<{ id: number }>('select id from source where name = ?', [name]);
    return row?.id ?? null;
  }

  /** Only the owner of the database may make and revoke keys; the user of a server need not be the owner. */
  private asOwner<T>(work: (em: EntityManager) => Promise<T>): Promise<T> {
    return asSessionUser(() => this.em.fork().transactional(work));
  }
}

function entryOf(action: string, name: string, source: string | null, actor: string): AuditEntry {
  const nowhere = { keyId: null, items: null, address: null, requestId: null, status: null };
  return { ...nowhere, actor, action, subject: `keys:${name}`, source, outcome: 'allowed' };
}
