import type { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { isDeepStrictEqual } from 'node:util';
import { Definitions } from '../../definitions/definitions.js';

/**
 * Other definitions were applied than this server knows: the job is for a process that knows them, as this one would leave fields,
 * links and totals out. Or its resource has no file any more: then it waits for that.
 */
export class OutdatedDefinition extends Error {
  constructor(isAway: boolean) {
    super(
      isAway
        ? 'the file of its resource is gone, and it waits until that is back'
        : 'this server has other definitions of resources than those that were applied',
    );
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

  /** Why this process may not work on jobs of a resource; null if it may. @param applied what {@link appliedTo} it */
  objection(applied: readonly AppliedDefinition[], resource: string): OutdatedDefinition | null {
    const isApplied = applied.some(({ name }) => name === resource);
    if (!this.definitions.has(resource)) return new OutdatedDefinition(!isApplied);
    const isBundled = this.definitions.get(resource).own.table !== undefined;
    const areKnown = applied.every(({ name, shape }) => this.isKnown(name, shape)) && (isBundled || isApplied);
    return areKnown ? null : new OutdatedDefinition(false);
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
    const objection = this.objection(row?.applied ?? [], resource);
    if (objection) throw objection;
  }

  /** Whether a definition of this process has the shape that was applied. */
  isKnown(name: string, shape: unknown): boolean {
    return (
      this.definitions.has(name) &&
      isDeepStrictEqual(JSON.parse(JSON.stringify(this.definitions.get(name).shape)), shape)
    );
  }
}
