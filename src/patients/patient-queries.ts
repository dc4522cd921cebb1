import { EntityManager, type SelectQueryBuilder, raw } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { formatMoney } from '../platform/money.js';
import { type Page, readCursor, toPage } from '../platform/paging.js';
import { Refusal } from '../platform/refusal.js';
import type { PatientSort, PatientView } from './patient.dto.js';
import { Patient } from './patient.entity.js';

/** Which patients to list, checked. */
export interface PatientFilter {
  paymentMin?: string;
  paymentMax?: string;
  /** The start of a first or last name, in any case. */
  q?: string;
  sort: PatientSort;
  limit: number;
  cursor?: string;
}

interface Order {
  /** The sort key in SQL, null where the external id is all of it. */
  key: string | null;
  descending: boolean;
  keyOf: (patient: Patient) => string;
}

/** Each has an index that begins with the source and ends with the external id. */
const ORDERS: Record<PatientSort, Order> = {
  externalId: { key: null, descending: false, keyOf: () => '' },
  paymentsTotal: { key: 'p0.payments_total', descending: false, keyOf: (patient) => patient.paymentsTotal },
  '-paymentsTotal': { key: 'p0.payments_total', descending: true, keyOf: (patient) => patient.paymentsTotal },
  lastName: { key: 'p0.last_name collate "C"', descending: false, keyOf: (patient) => patient.lastName },
};

/** Answers questions about the live patients of a source. */
@Injectable()
export class PatientQueries {
  constructor(private readonly em: EntityManager) {}

  /** @throws Refusal 404 if there is no live patient with that external id */
  async get(sourceId: number, externalId: string): Promise<PatientView> {
    const patient = await this.em.fork().findOne(Patient, { sourceId, externalId, deletedAt: null });
    if (!patient) throw Refusal.notFound('patient');
    return toView(patient);
  }

  async list(sourceId: number, filter: PatientFilter): Promise<Page<PatientView>> {
    const scope = `patients ${filter.sort}`;
    const query = this.em.fork().qb(Patient, 'p0').select('*').where({ sourceId, deletedAt: null });
    if (filter.paymentMin !== undefined) query.andWhere(raw('p0.payments_total >= ?', [filter.paymentMin]));
    if (filter.paymentMax !== undefined) query.andWhere(raw('p0.payments_total <= ?', [filter.paymentMax]));
    if (filter.q !== undefined) startsWith(query, filter.q);
    const order = ORDERS[filter.sort];
    continueAfter(query, order, readCursor(filter.cursor, scope, 2));
    const direction = order.descending ? 'desc' : 'asc';
    const keys = order.key === null ? {} : { [raw(order.key)]: direction };
    query.orderBy([keys, { externalId: 'asc' }]).limit(filter.limit + 1);
    const page = toPage(await query.getResult(), filter.limit, scope, (row) => [order.keyOf(row), row.externalId]);
    return { ...page, items: page.items.map(toView) };
  }
}

function startsWith(query: SelectQueryBuilder<Patient>, start: string): void {
  const pattern = `${start.replace(/[\\%_]/g, String.raw`\$&`)}%`;
  const matches = (column: string) => `lower(p0.${column}) collate "C" like lower(?)`;
  query.andWhere(raw(`(${matches('first_name')} or ${matches('last_name')})`, [pattern, pattern]));
}

/** Ties are broken by the external id, ascending in every order. */
function continueAfter(query: SelectQueryBuilder<Patient>, { key, descending }: Order, after: string[] | null): void {
  if (after === null) return;
  const [value = '', externalId = ''] = after;
  if (key === null) {
    query.andWhere({ externalId: { $gt: externalId } });
    return;
  }
  if (key.includes('payments_total') && !/^-?\d+(\.\d+)?$/.test(value)) {
    throw Refusal.parameter('cursor', 'The cursor does not belong to this list and order.', 'invalid_cursor');
  }
  const beyond = descending ? '<' : '>';
  // The first condition says nothing new, but is one that the index can start at.
  query.andWhere(
    raw(`(${key} ${beyond}= ? and (${key} ${beyond} ? or p0.external_id > ?))`, [value, value, externalId]),
  );
}

function toView(patient: Patient): PatientView {
  return {
    id: patient.id,
    externalId: patient.externalId,
    firstName: patient.firstName,
    middleName: patient.middleName ?? null,
    lastName: patient.lastName,
    dateOfBirth: patient.dateOfBirth ?? null,
    paymentsTotal: formatMoney(patient.paymentsTotal),
    paymentsCount: patient.paymentsCount,
    created: patient.created,
    updated: patient.updated,
  };
}
