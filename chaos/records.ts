import { gzipSync } from 'node:zlib';
import { money, type ModelRecord } from '../test/contract/mirror-model.js';
import { Dice } from './dice.js';
import type { SnapshotPlan } from './snapshot-plan.js';

/** Patients that every marked snapshot holds, so that the marked payments never lack theirs. */
export const STEADY = 20;

/** Ids that marked snapshots choose from: a page of 1000 shows all of a snapshot's rows. */
const MARKED_IDS = 880;

/** What a marked snapshot holds: two thirds of the ids, others each time. */
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

/** A plan's records and what they mean; the same for the same plan. */
export function recordsOf(plan: SnapshotPlan): ModelRecord[] {
  const isPatients = plan.resource === 'patients';
  if (plan.kind === 'marked') {
    return markedIds(plan.seed).map((id) =>
      isPatients
        ? patient(id, `s${plan.seed}`, 'Marked', null)
        : payment(id, markedParent(id), BigInt(plan.seed) * 10_000n, false),
    );
  }
  return randomRecords(plan, new Dice(plan.seed));
}

/** The request's body and what its headers say of it. */
export function bodyOf(plan: SnapshotPlan): { body: Buffer<ArrayBuffer>; headers: Record<string, string> } {
  const records = recordsOf(plan).map(({ sent }) => JSON.stringify(sent));
  const isNdjson = plan.format === 'ndjson';
  // An empty body is refused at the door; only an array can be empty.
  const text = isNdjson && records.length > 0 ? records.join('\n') : `[${records.join(',')}]`;
  const whole = Buffer.from(plan.isBroken ? `${text.slice(0, -1)}{"externalId":` : text);
  const headers: Record<string, string> = {
    'Content-Type': isNdjson && records.length > 0 ? 'application/x-ndjson' : 'application/json',
  };
  if (!plan.isGzip) return { body: whole, headers };
  return { body: gzipSync(whole), headers: { ...headers, 'Content-Encoding': 'gzip' } };
}

function randomRecords(plan: SnapshotPlan, dice: Dice): ModelRecord[] {
  const records: ModelRecord[] = [];
  const add = (id: string) => {
    const isUnusual = dice.isLucky(1 / plan.changeOneIn);
    records.push(plan.resource === 'patients' ? somePatient(id, isUnusual, dice) : somePayment(id, isUnusual, dice));
  };
  for (let place = 0; place < plan.ids; place += 1) {
    const id = `r${place}`;
    if (dice.isLucky(1 / plan.skipOneIn)) continue;
    // Not the first one: NDJSON that begins with no object is refused at the door.
    if (plan.isFaulty && records.length > 0 && dice.isLucky(0.02)) records.push(rejected(id, plan, dice));
    else add(id);
    if (plan.isFaulty && dice.isLucky(0.02)) add(`r${dice.between(0, place)}`);
  }
  return records;
}

function rejected(id: string, { resource }: SnapshotPlan, dice: Dice): ModelRecord {
  if (dice.isLucky(0.2)) return { sent: [id], key: null, value: null, code: 'not_an_object' };
  const sent =
    resource === 'patients'
      ? { externalId: id, firstName: null, lastName: 'Tell' }
      : { externalId: id, patientId: 'r1', amount: '1.00001' };
  return { sent, key: id, value: null, code: 'invalid_record' };
}

function somePatient(id: string, isUnusual: boolean, dice: Dice): ModelRecord {
  const firstName = isUnusual ? `Ann ${dice.between(0, 999)}` : 'Bob\t\\N';
  return patient(id, isUnusual ? 'Gessler' : 'Tell', firstName, isUnusual && dice.isLucky(0.5) ? 'M.' : null);
}

/** Some of them belong to patients that no snapshot holds, more to such as are not there yet. */
function somePayment(id: string, isUnusual: boolean, dice: Dice): ModelRecord {
  const parent = dice.isLucky(0.01) ? 'nobody' : `r${Number(id.slice(1)) % 1_500}`;
  const amount = isUnusual ? BigInt(dice.between(-5_000_000, 50_000_000)) : 12_300n;
  return payment(id, parent, amount, dice.isLucky(0.5));
}

function patient(id: string, lastName: string, firstName: string, middleName: string | null): ModelRecord {
  const sent = { externalId: id, firstName, lastName, ...(middleName === null ? {} : { middleName }) };
  return { sent, key: id, value: { fields: JSON.stringify([firstName, lastName, middleName]) } };
}

function payment(id: string, parent: string, amount: bigint, asNumber: boolean): ModelRecord {
  const sent = { externalId: id, patientId: parent, amount: asNumber ? Number(money(amount)) : money(amount) };
  return { sent, key: id, value: { fields: `${parent} ${amount}`, parent, amount } };
}
