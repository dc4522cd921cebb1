import { gzipSync } from 'node:zlib';
import { money, type ModelRecord } from '../test/contract/mirror-model.js';
import { SeededRandom } from './seeded-random.js';
import type { SnapshotPlan } from './snapshot-plan.js';

/** Patients that every marked snapshot holds, so that marked payments always have their patient. */
export const STEADY = 20;

/** Ids that marked snapshots choose from: a page of 1000 shows all of a snapshot's rows. */
const MARKED_IDS = 880;

/** Days on which there are visits. */
export const DAYS = 180;

/** @param place from 0 on */
export function dayAt(place: number): string {
  return new Date(Date.UTC(2026, 0, 1 + place)).toISOString().slice(0, 10);
}

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
    const record = SOME[plan.resource](id, random.chance(1 / plan.changeOneIn), random);
    // Of a window few are to be rejected.
    if (isFor(plan, record) || (plan.isFaulty && random.chance(0.02))) records.push(record);
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

function isFor({ window }: SnapshotPlan, { value }: ModelRecord): boolean {
  const day = value?.at ?? '';
  return window === undefined || (window.from <= day && day < window.to);
}

/** Records that must be rejected. */
const INVALID: Record<SnapshotPlan['resource'], object> = {
  patients: { firstName: null, lastName: 'Tell' },
  payments: { patientId: 'r1', amount: '1.00001' },
  doctors: { name: null },
  visits: { doctorId: 'r1', day: '2026-02-30', fee: '1.00' },
};

function rejected(id: string, { resource }: SnapshotPlan, random: SeededRandom): ModelRecord {
  if (random.chance(0.2)) return { sent: [id], key: null, value: null, code: 'not_an_object' };
  return { sent: { externalId: id, ...INVALID[resource] }, key: id, value: null, code: 'invalid_record' };
}

const SOME = { patients: somePatient, payments: somePayment, doctors: someDoctor, visits: someVisit };

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

function someDoctor(id: string, isUnusual: boolean, random: SeededRandom): ModelRecord {
  const [name, ward] = [isUnusual ? `Dr. ${random.between(0, 999)}` : 'Dr. Tell', isUnusual ? 'West' : null];
  return { sent: { externalId: id, name, ward }, key: id, value: { fields: JSON.stringify([name, ward]) } };
}

/** A visit keeps its day unless it is unusual, so that snapshots of different windows mostly agree on where it is. */
function someVisit(id: string, isUnusual: boolean, random: SeededRandom): ModelRecord {
  const number = Number(id.slice(1));
  const doctor = random.chance(0.01) ? 'nobody' : `r${number % 400}`;
  const named = number % 3 === 0 ? `r${number % 1_500}` : null;
  const day = dayAt(isUnusual ? random.between(0, DAYS - 1) : (number * 7) % DAYS);
  const fee = isUnusual ? BigInt(random.between(-50_000, 500_000)) * 100n : 45_000n;
  return {
    sent: { externalId: id, doctorId: doctor, patientId: named, day, fee: money(fee) },
    key: id,
    value: {
      fields: JSON.stringify([doctor, named, day, money(fee)]),
      parents: { doctors: doctor, ...(named !== null && { patients: named }) },
      amount: fee,
      at: day,
    },
  };
}

function patient(id: string, lastName: string, firstName: string, middleName: string | null): ModelRecord {
  const sent = { externalId: id, firstName, lastName, ...(middleName === null ? {} : { middleName }) };
  return { sent, key: id, value: { fields: JSON.stringify([firstName, lastName, middleName]) } };
}

function payment(id: string, parent: string, amount: bigint, asNumber: boolean): ModelRecord {
  const sent = { externalId: id, patientId: parent, amount: asNumber ? Number(money(amount)) : money(amount) };
  return { sent, key: id, value: { fields: `${parent} ${amount}`, parents: { patients: parent }, amount } };
}
