import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { acrossSources, NO_SOURCE } from '../../database/source-isolation.js';

/** Names remembered per process; there are few sources, and a hostile caller's inventions are not remembered. */
const MAX_REMEMBERED = 10_000;

/** The external systems that snapshots came from, by name. They come into being with their first snapshot. */
@Injectable()
export class Sources {
  private readonly ids = new Map<string, number>();

  constructor(private readonly em: EntityManager) {}

  /** The id of a source, which is made if it is new. */
  async ensure(name: string): Promise<number> {
    const id = await this.find(name);
    if (id !== NO_SOURCE) return id;
    await this.execute('insert into source (name) values (?) on conflict do nothing', [name]);
    return this.find(name);
  }

  /** The id of a source, or an id that nothing has. */
  async find(name: string): Promise<number> {
    const remembered = this.ids.get(name);
    if (remembered !== undefined) return remembered;
    const [row] = await this.execute<{ id: number }>('select id from source where name = ?', [name]);
    if (!row) return NO_SOURCE;
    if (this.ids.size < MAX_REMEMBERED) this.ids.set(name, row.id);
    return row.id;
  }

  /** Sources are looked up across all of them: that of a request is not known before. */
  private execute<Row>(sql: string, values: unknown[]): Promise<Row[]> {
    return acrossSources(() => this.em.fork().execute<Row[]>(sql, values));
  }
}
