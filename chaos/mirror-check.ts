import { setTimeout as delay } from 'node:timers/promises';
import { type MirrorModel, money, type ResourceName } from '../test/contract/mirror-model.js';
import type { Callers } from './callers.js';
import type { Findings } from './findings.js';

const ATTEMPTS = 20;

/** A resource's list: what it says of a row, and what the model says it must say, in its order. */
interface Comparison {
  shown: (row: any) => unknown[];
  expected: (model: MirrorModel) => unknown[][];
}

const COMPARISONS: Record<ResourceName, Comparison> = {
  patients: {
    shown: (row) => [
      row.externalId,
      JSON.stringify([row.firstName, row.lastName, row.middleName]),
      row.paymentsCount,
      row.paymentsTotal,
    ],
    expected: (model) => model.patients().map((row) => [row.externalId, row.fields, row.count, money(row.total)]),
  },
  payments: {
    shown: (row) => [row.externalId, row.patientId, row.amount],
    expected: (model) => model.payments().map((row) => [row.externalId, row.parent, money(row.amount)]),
  },
  doctors: {
    shown: (row) => [row.externalId, JSON.stringify([row.name, row.ward]), row.visitsCount, row.feesTotal],
    expected: (model) => model.doctors().map((row) => [row.externalId, row.fields, row.count, money(row.total)]),
  },
  visits: {
    shown: (row) => [row.externalId, JSON.stringify([row.doctorId, row.patientId, row.day, row.fee])],
    expected: (model) => model.visits().map((row) => [row.externalId, row.fields]),
  },
};

/** Compares what callers see of a source with the model, row by row. @returns the number of rows compared */
export async function checkMirror(
  source: string,
  model: MirrorModel,
  callers: Callers,
  findings: Findings,
): Promise<number> {
  let compared = 0;
  for (const [resource, { shown, expected }] of Object.entries(COMPARISONS)) {
    const rows = (await listOf(resource, source, callers)).map((row) => JSON.stringify(shown(row)));
    const inModel = expected(model).map((row) => JSON.stringify(row));
    compare(`${source} ${resource}`, rows, inModel, findings);
    compared += rows.length;
  }
  return compared;
}

async function listOf(resource: string, source: string, callers: Callers): Promise<any[]> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const items = await callers.list(source, `/${resource}`);
    if (items) return items;
    await delay(500);
  }
  throw new Error(`the list of ${resource} was not answered ${ATTEMPTS} times`);
}

/** Reports the id of the first row that differs, and how many do. */
function compare(what: string, actual: string[], expected: string[], findings: Findings): void {
  const [is, shouldBe] = [new Set(actual), new Set(expected)];
  const wrong = actual.filter((row) => !shouldBe.has(row)).map(idOf);
  const missing = expected.filter((row) => !is.has(row)).map(idOf);
  const isInOrder = actual.every((row, place) => row === expected[place]);
  if (wrong.length + missing.length === 0 && isInOrder && actual.length === expected.length) return;
  findings.add(
    'wrong mirror',
    `${what}: ${wrong.length} rows wrong (${wrong[0]}), ${missing.length} missing (${missing[0]}), ` +
      `${actual.length} instead of ${expected.length}`,
  );
}

function idOf(row: string): string {
  return String((JSON.parse(row) as unknown[])[0]);
}
