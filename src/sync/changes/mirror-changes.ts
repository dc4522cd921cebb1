import { Injectable } from '@nestjs/common';
import { MirrorTables } from '../tables/mirror-table.js';
import { ChangedRows } from './changed-rows.js';

/** The changed rows of every resource. */
@Injectable()
export class MirrorChanges {
  readonly all: readonly ChangedRows[];

  constructor(tables: MirrorTables) {
    this.all = tables.all.map((mirror) => new ChangedRows(mirror));
  }

  /** @throws if there is no such resource: names come from our own routes and tables */
  of(resource: string): ChangedRows {
    const found = this.all.find((rows) => rows.resource === resource);
    if (!found) throw new Error(`no such resource: ${resource}`);
    return found;
  }
}
