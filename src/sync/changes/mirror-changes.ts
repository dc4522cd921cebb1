import { MikroORM } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { MirroredResources } from '../mirrored-resource.js';
import { mirrorTable } from '../reconcile/mirror-table.js';
import { ChangedRows } from './changed-rows.js';

/** The changed rows of every resource. */
@Injectable()
export class MirrorChanges {
  readonly all: readonly ChangedRows[];

  constructor(resources: MirroredResources, orm: MikroORM) {
    this.all = resources.all.map((resource) => {
      return new ChangedRows(resource.name, mirrorTable(resource, resources, orm));
    });
  }

  /** @throws if there is no such resource: names come from our own routes and tables */
  of(resource: string): ChangedRows {
    const found = this.all.find((rows) => rows.resource === resource);
    if (!found) throw new Error(`no such resource: ${resource}`);
    return found;
  }
}
