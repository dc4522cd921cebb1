import type { Constructor } from '@mikro-orm/core';
import type { z } from 'zod';
import type { Config } from '../platform/config.js';
import type { MirroredRow } from './mirrored-row.entity.js';

/** What the checks of a record may depend on besides the record. */
export interface RecordRules {
  futureBirthDates: Config['FUTURE_BIRTH_DATES'];
  /** The day of the check in UTC, `YYYY-MM-DD`. */
  today: string;
}

/** The checks of a record: every field yields the text that is stored, or null. */
export type RecordSchema = z.ZodObject<{ externalId: z.ZodType<string> } & Record<string, z.ZodType<string | null>>>;

/** How the rows of one resource hang on those of another one of the same source. */
export interface ParentLink {
  entity: Constructor<MirroredRow>;
  /** The record's field with the parent's external id. */
  field: string;
  /** The entity's reference to the parent: set while the parent is live, null while the row is unresolved. */
  reference: string;
  /** What to tell about a record whose parent is not in the mirror. */
  unresolved: { code: string; message: string };
  /** Sums over the live, resolved children that the parent's row carries. */
  totals?: {
    /** The child's property that is summed. */
    of: string;
    /** The parent's properties that hold the sum and the number of children. */
    sum: string;
    count: string;
  };
}

/** One kind of record that is mirrored: all that the engine needs to know of it. */
export interface MirroredResource {
  /** As in the path and in jobs: `patients`. */
  name: string;
  entity: Constructor<MirroredRow>;
  record: (rules: RecordRules) => RecordSchema;
  /** Entity properties of record fields that are named otherwise. */
  properties?: Record<string, string>;
  parent?: ParentLink;
  /** A valid record, for the documentation and the contract tests. */
  example: Record<string, unknown>;
}

/** The resources that this server mirrors, as `resources.ts` lists them. */
export class MirroredResources {
  constructor(readonly all: readonly MirroredResource[]) {}

  /** @throws if there is none of that name: names come from our own routes and tables. */
  get(name: string): MirroredResource {
    const found = this.all.find((resource) => resource.name === name);
    if (!found) throw new Error(`no such resource: ${name}`);
    return found;
  }

  parentOf(child: MirroredResource): MirroredResource | undefined {
    return this.all.find((resource) => resource.entity === child.parent?.entity);
  }

  childrenOf(parent: MirroredResource): MirroredResource[] {
    return this.all.filter((resource) => resource.parent?.entity === parent.entity);
  }

  /** The resource and those whose rows its jobs may touch too, in an order that is the same for all of them. */
  linkedTo(resource: MirroredResource): string[] {
    const linked = [resource, this.parentOf(resource), ...this.childrenOf(resource)];
    return linked.flatMap((other) => (other ? [other.name] : [])).toSorted();
  }
}
