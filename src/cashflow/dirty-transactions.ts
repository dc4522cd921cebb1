import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { Cursors } from '../http/cursors.js';
import type { Page } from '../http/paging.js';
import type { ListDirty } from './cashflow-query.dto.js';
import type { DirtyView } from './cashflow-view.dto.js';
import { TRANSACTIONS } from './legs.js';
import { liveTransactions, toTransaction, transactionColumns, type TransactionRow } from './transaction-rows.js';
import { BITS_OF, type Kind, VERDICTS } from './verdicts.js';

/** A dirty row with what tells its batch. */
interface DirtyRow extends TransactionRow {
  copies: string;
  batch: string;
}

/** Rows that an export reads at a time. */
const EXPORTED_AT_ONCE = 1_000;

const LIST = 'cashflow dirty';

/** Lists the transactions with a verdict, by time. */
@Injectable()
export class DirtyTransactions {
  constructor(
    private readonly em: EntityManager,
    private readonly cursors: Cursors,
  ) {}

  async page(sourceId: number, { kind, limit, cursor }: ListDirty): Promise<Page<DirtyView>> {
    const scope = `${LIST} ${kind ?? 'all'}`;
    const rows = await this.read(sourceId, kind, this.cursors.read(cursor, scope, 3), limit + 1);
    const page = this.cursors.toPage(rows, limit, scope, keyOf);
    return { ...page, items: page.items.map(toView) };
  }

  async *all(sourceId: number, kind: Kind | undefined): AsyncGenerator<DirtyView> {
    let rows = await this.read(sourceId, kind, null, EXPORTED_AT_ONCE);
    while (rows.length > 0) {
      yield* rows.map(toView);
      const last = rows.at(-1);
      // oxlint-disable-next-line no-await-in-loop -- over pages
      rows = last === undefined ? [] : await this.read(sourceId, kind, keyOf(last), EXPORTED_AT_ONCE);
    }
  }

  private read(sourceId: number, kind: Kind | undefined, end: string[] | null, limit: number): Promise<DirtyRow[]> {
    const bits = kind === undefined ? Object.values(VERDICTS).reduce((sum, bit) => sum | bit, 0) : BITS_OF[kind];
    const pages = TRANSACTIONS.map(
      (each) => `(
        select ${transactionColumns(each)}, t.copies,
               md5(concat_ws('|', t."transactionId", t."payerIban", t."beneficiaryIban", t."timestamp")) as batch
          from ${liveTransactions(each)} and t.source_id = ? and t."$verdict" <> 0 and t."$verdict" & ${bits} <> 0
           ${end === null ? '' : `and (t."timestamp", '${each}', t.id) > (?::timestamptz, ?, ?)`}
         order by t."timestamp", t.id limit ?)`,
    );
    const values = TRANSACTIONS.flatMap(() => [sourceId, ...(end ?? []), limit]);
    return this.em
      .fork()
      .execute<DirtyRow[]>(
        `select * from (${pages.join(' union all ')}) page order by at_time, resource, row_id limit ?`,
        [...values, limit],
      );
  }
}

function keyOf(row: DirtyRow): string[] {
  return [row.at, row.resource, row.row_id];
}

function toView(row: DirtyRow): DirtyView {
  const isBatch = (row.verdict & VERDICTS.batch) !== 0;
  return { ...toTransaction(row), reason: reasonOf(row), group: isBatch ? row.batch : null };
}

/** What is wrong, as a sentence for each thing. */
function reasonOf({ verdict, currency, copies }: DirtyRow): string {
  const has = (bit: number) => (verdict & bit) !== 0;
  const invalid = has(VERDICTS.payerIban)
    ? has(VERDICTS.beneficiaryIban)
      ? 'Both IBANs begin'
      : "The payer's IBAN begins"
    : "The beneficiary's IBAN begins";
  const sentences = [
    has(VERDICTS.batch) ? 'Others have the same id, parties and time, and another amount.' : '',
    has(VERDICTS.duplicate) ? `It was delivered ${copies} times, and counts once.` : '',
    has(VERDICTS.payerIban | VERDICTS.beneficiaryIban) ? `${invalid} with no code of a country (ISO 3166).` : '',
    has(VERDICTS.noCurrency) ? (currency === null ? 'It has no currency.' : 'Its currency is none of ISO 4217.') : '',
  ];
  return sentences.filter((sentence) => sentence !== '').join(' ');
}
