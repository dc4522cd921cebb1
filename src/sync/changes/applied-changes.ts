import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { readShape } from '../../definitions/read-shape.js';
import { Refusal } from '../../http/refusal.js';
import { AppliedDefinitions } from '../leases/applied-definitions.js';
import { MirrorTable } from '../tables/mirror-table.js';
import { ChangedRows } from './changed-rows.js';
import { MirrorChanges } from './mirror-changes.js';

/** A resource with changes, and the version of its definition that was applied last; null for one that comes along. */
export interface ChangedResource {
  name: string;
  version: number | null;
}

/**
 * The changed rows of resources by the definitions that were applied last. So they can be told of a resource whose file is
 * away, and with all of its fields by a server that does not have the newest files yet.
 */
@Injectable()
export class AppliedChanges {
  /** Of each declared resource the version that was asked for last. */
  private readonly known = new Map<string, { version: number; rows: ChangedRows }>();

  constructor(
    private readonly em: EntityManager,
    private readonly own: MirrorChanges,
    private readonly applied: AppliedDefinitions,
  ) {}

  /** @throws Refusal 503 if a newer version of the program has applied a definition that this one cannot read */
  async of(resources: readonly ChangedResource[]): Promise<Map<string, ChangedRows>> {
    const unknown = resources.filter(({ name, version }) => version !== null && this.find(name, version) === null);
    if (unknown.length > 0) await this.read(unknown.map(({ name }) => name));
    return new Map(
      resources.map(({ name, version }) => {
        const rows = version === null ? this.own.of(name) : this.known.get(name)?.rows;
        if (!rows) throw unreadable(name);
        return [name, rows];
      }),
    );
  }

  /** Of one resource, also if its file is away. @throws Refusal 503 like {@link of} */
  async ofResource(name: string): Promise<ChangedRows> {
    const [stored] = await this.em
      .fork()
      .execute<{ version: number }[]>('select version from resource_definition where name = ?', [name]);
    const changes = await this.of([{ name, version: stored?.version ?? null }]);
    return changes.get(name) ?? this.own.of(name);
  }

  private find(name: string, version: number): ChangedRows | null {
    const known = this.known.get(name);
    return known?.version === version ? known.rows : null;
  }

  private async read(names: string[]): Promise<void> {
    const stored = await this.em
      .fork()
      .execute<{ name: string; version: number; shape: unknown }[]>(
        `select name, version, shape - 'away' as shape from resource_definition where name = any(string_to_array(?, ','))`,
        [names.join(',')],
      );
    for (const { name, version, shape } of stored) {
      this.known.set(name, { version, rows: this.rowsOf(name, shape) });
    }
  }

  /** By this process's own definition where that is the applied one: it has the fields in their order. */
  private rowsOf(name: string, shape: unknown): ChangedRows {
    if (this.applied.isKnown(name, shape)) return this.own.of(name);
    const { definition } = readShape(shape);
    if (definition === null) throw unreadable(name);
    return new ChangedRows(new MirrorTable(definition));
  }
}

function unreadable(name: string): Refusal {
  const detail = `This server cannot read the definition of ${name} that was applied last. Ask one of a newer version.`;
  return new Refusal(503, 'unknown_definition', detail, { headers: { 'Retry-After': '10' } });
}
