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

/** A definition as it was applied last. */
export interface AppliedDefinition {
  name: string;
  version: number;
  shape: unknown;
}

/**
 * SQL: the applied definitions of a resource and of those whose rows hang on its rows, which is all that its jobs write by, as a
 * JSON array of {@link AppliedDefinition}.
 * @param resource the resource's name, in SQL
 */
export function appliedTo(resource: string): string {
  return `(
    select coalesce(json_agg(json_build_object('name', name, 'version', version, 'shape', shape)), '[]')
      from resource_definition
     where not jsonb_exists(shape, 'away')
       and (name = ${resource} or exists (
         select from jsonb_each(coalesce(shape->'parents', '{}')) parent where parent.value->>'resource' = ${resource})))`;
}

/** Compares the definitions of this process with those that were applied last. */
@Injectable()
export class AppliedDefinitions {
  constructor(private readonly definitions: Definitions) {}

  /** Whether this process may work on jobs of a resource. @param applied what {@link appliedTo} it */
  areKnown(applied: readonly AppliedDefinition[], resource: string): boolean {
    if (!this.definitions.has(resource)) return false;
    const isBundled = this.definitions.get(resource).own.table !== undefined;
    return (
      applied.every(({ name, shape }) => this.isKnown(name, shape)) &&
      (isBundled || applied.some(({ name }) => name === resource))
    );
  }

  /**
   * Refuses what was written by other definitions. To be asked at the end of a transaction that has written: until its commit,
   * what applies definitions waits for the tables.
   * @throws OutdatedDefinition
   */
  async check(em: EntityManager, resource: string): Promise<void> {
    const [row] = await em.execute<{ applied: AppliedDefinition[] }[]>(
      `select ${appliedTo('wanted.name')} as applied
       from (select ?::text as name) wanted`,
      [resource],
    );
    if (!this.areKnown(row?.applied ?? [], resource)) throw new OutdatedDefinition();
  }

  /** Whether a definition of this process has the shape that was applied. */
  isKnown(name: string, shape: unknown): boolean {
    return (
      this.definitions.has(name) &&
      isDeepStrictEqual(JSON.parse(JSON.stringify(this.definitions.get(name).shape)), shape)
    );
  }
}
