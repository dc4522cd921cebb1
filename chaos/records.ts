import { gzipSync } from 'node:zlib';
import { money, type ModelRecord } from '../test/contract/mirror-model.js';
import { SeededRandom } from './seeded-random.js';
import type { SnapshotPlan } from './snapshot-plan.js';

/** Patients that every marked snapshot holds, so that marked payments always have their patient. */
export const STEADY = 20;

/** Ids that marked snapshots choose from: a page of 1000 shows all of a snapshot's rows. */
const MARKED_IDS = 880;

/** The ids of a marked snapshot: two thirds of them, different ones each time. */
export function markedIds(marker: number): string[] {
  const ids: string[] = [];
  for (let place = 0; place < MARKED_IDS; place += 1) {
    if (place < STEADY || (place * 7_919 + marker * 104_729) % 3 !== 0) ids.push(`m${String(place).padStart(4, '0')}`);
  }
  return ids;
}

/** The patient of a marked payment. */
export function markedParent(id: string): string {
  return `m${String(Number(id.slice(1)) % STEADY).padStart(4, '0')}`;
}

/** A plan's records and their meaning to the model; the same for the same plan. */
export function recordsOf(plan: SnapshotPlan): ModelRecord[] {
  const isPatients = plan.resource === 'patients';
  if (plan.kind === 'marked') {
    return markedIds(plan.seed).map((id) =>
      isPatients
        ? patient(id, `s${plan.seed}`, 'Marked', null)
        : payment(id, markedParent(id), BigInt(plan.seed) * 10_000n, false),
    );
  }
  return randomRecords(plan, new SeededRandom(plan.seed));
}

/** The request's body and what its headers say of it. */
export function bodyOf(plan: SnapshotPlan): { body: Buffer<ArrayBuffer>; headers: Record<string, string> } {
  const records = recordsOf(plan).map(({ sent }) => JSON.stringify(sent));
  const isNdjson = plan.format === 'ndjson';
  // An empty body is refused at its upload; only an array can be empty.
  const text = isNdjson && records.length > 0 ? records.join('\n') : `[${records.join(',')}]`;
  const whole = Buffer.from(plan.isBroken ? `${text.slice(0, -1)}{"externalId":` : text);
  const headers: Record<string, string> = {
    'Content-Type': isNdjson && records.length > 0 ? 'application/x-ndjson' : 'application/json',
  };
  if (!plan.isGzip) return { body: whole, headers };
  return { body: gzipSync(whole), headers: { ...headers, 'Content-Encoding': 'gzip' } };
}

function randomRecords(plan: SnapshotPlan, random: SeededRandom): ModelRecord[] {
  const records: ModelRecord[] = [];
  const add = (id: string) => {
    const isUnusual = random.chance(1 / plan.changeOneIn);
    records.push(
      plan.resource === 'patients' ? somePatient(id, isUnusual, random) : somePayment(id, isUnusual, random),
    );
  };
  for (let place = 0; place < plan.ids; place += 1) {
    const id = `r${place}`;
    if (random.chance(1 / plan.skipOneIn)) continue;
    // Not the first one: NDJSON that does not begin with an object is refused at its upload.
    if (plan.isFaulty && records.length > 0 && random.chance(0.02)) records.push(rejected(id, plan, random));
    else add(id);
    if (plan.isFaulty && random.chance(0.02)) add(`r${random.between(0, place)}`);
  }
  return records;
}

function rejected(id: string, { resource }: SnapshotPlan, random: SeededRandom): ModelRecord {
  if (random.chance(0.2)) return { sent: [id], key: null, value: null, code: 'not_an_object' };
  const sent =
    resource === 'patients'
      ? { externalId: id, firstName: null, lastName: 'Tell' }
      : { externalId: id, patientId: 'r1', amount: '1.00001' };
  return { sent, key: id, value: null, code: 'invalid_record' };
}

function somePatient(id: string, isUnusual: boolean, random: SeededRandom): ModelRecord {
  const firstName = isUnusual ? `Ann ${random.between(0, 999)}` : 'Bob\t\\N';
  return patient(id, isUnusual ? 'Gessler' : 'Tell', firstName, isUnusual && random.chance(0.5) ? 'M.' : null);
}

/** Some belong to patients that no snapshot holds, more to patients that may arrive later. */
function somePayment(id: string, isUnusual: boolean, random: SeededRandom): ModelRecord {
  const parent = random.chance(0.01) ? 'nobody' : `r${Number(id.slice(1)) % 1_500}`;
  const amount = isUnusual ? BigInt(random.between(-5_000_000, 50_000_000)) : 12_300n;
  return payment(id, parent, amount, random.chance(0.5));
}

function patient(id: string, lastName: string, firstName: string, middleName: string | null): ModelRecord {
  const sent = { externalId: id, firstName, lastName, ...(middleName === null ? {} : { middleName }) };
  return { sent, key: id, value: { fields: JSON.stringify([firstName, lastName, middleName]) } };
}

function payment(id: string, parent: string, amount: bigint, asNumber: boolean): ModelRecord {
  const sent = { externalId: id, patientId: parent, amount: asNumber ? Number(money(amount)) : money(amount) };
  return { sent, key: id, value: { fields: `${parent} ${amount}`, parent, amount } };
}
