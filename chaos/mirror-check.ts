import { setTimeout as delay } from 'node:timers/promises';
import { type MirrorModel, money } from '../test/contract/mirror-model.js';
import type { Callers } from './callers.js';
import type { Findings } from './findings.js';

const ATTEMPTS = 20;

/** Compares what callers see of a source with the model, row by row. @returns the number of rows compared */
export async function checkMirror(
  source: string,
  model: MirrorModel,
  callers: Callers,
  findings: Findings,
): Promise<number> {
  const patients = (await listOf('patients', source, callers)).map((row) =>
    JSON.stringify([
      row.externalId,
      JSON.stringify([row.firstName, row.lastName, row.middleName]),
      row.paymentsCount,
      row.paymentsTotal,
    ]),
  );
  const payments = (await listOf('payments', source, callers)).map((row) =>
    JSON.stringify([row.externalId, row.patientId, row.amount]),
  );
  const expectedPatients = model
    .patients()
    .map((row) => JSON.stringify([row.externalId, row.fields, row.count, money(row.total)]));
  const expectedPayments = model
    .payments()
    .map((row) => JSON.stringify([row.externalId, row.parent, money(row.amount)]));
  compare(`${source} patients`, patients, expectedPatients, findings);
  compare(`${source} payments`, payments, expectedPayments, findings);
  return patients.length + payments.length;
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
