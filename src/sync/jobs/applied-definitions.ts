import type { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { isDeepStrictEqual } from 'node:util';
import { Definitions } from '../../definitions/definitions.js';

/**
 * Another server has applied other definitions than this one knows: the job is for a process that knows them, as this one
 * would leave fields, links and totals out.
 */
export class OutdatedDefinition extends Error {
  constructor() {
    super('this server has other definitions of resources than those that were applied');
  }
}

/** Compares the definitions of this process with those that were applied last. */
@Injectable()
export class AppliedDefinitions {
  constructor(private readonly definitions: Definitions) {}

  /**
   * Looks at the definitions of a resource and of those whose rows hang on its rows: all that its jobs write by. To be asked at
   * the end of a transaction that has written: until its commit, what applies definitions waits for the tables.
   * @returns the version of the resource's own definition, null if it comes along
   * @throws OutdatedDefinition
   */
  async check(em: EntityManager, resource: string): Promise<number | null> {
    const applied = await em.execute<{ name: string; version: number; shape: unknown }[]>(
      `select name, version, shape from resource_definition
        where not jsonb_exists(shape, 'away')
          and (name = ? or exists (
            select from jsonb_each(coalesce(shape->'parents', '{}')) parent where parent.value->>'resource' = ?))`,
      [resource, resource],
    );
    for (const { name, shape } of applied) {
      if (!this.definitions.has(name) || !this.isKnown(name, shape)) throw new OutdatedDefinition();
    }
    const own = applied.find(({ name }) => name === resource);
    if (own === undefined && this.definitions.get(resource).own.table === undefined) throw new OutdatedDefinition();
    return own?.version ?? null;
  }

  private isKnown(name: string, shape: unknown): boolean {
    return isDeepStrictEqual(JSON.parse(JSON.stringify(this.definitions.get(name).shape)), shape);
  }
}
