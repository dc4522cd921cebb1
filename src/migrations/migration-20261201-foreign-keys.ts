import { Migration } from '@mikro-orm/migrations';

/**
 * Drops the foreign keys of patients and payments. A database that distributes its tables by source wants none, and without their
 * checks a first load takes half as long. The links between rows are computed under the mirror's locks, and rows are never
 * deleted; `mirror verify` proves more than a foreign key could.
 *
 * A migration that some databases have run already did this together with the rebuilding of primary keys, during which it kept the
 * table of sources locked.
 */
export class Migration20261201ForeignKeys extends Migration {
  override up(): void {
    this.addSql(
      `alter table payment drop constraint if exists payment_patient_id_fkey,
         drop constraint if exists payment_source_id_fkey`,
    );
    this.addSql(`alter table patient drop constraint if exists patient_source_id_fkey`);
  }
}
