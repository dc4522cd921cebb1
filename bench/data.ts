import { createWriteStream } from 'node:fs';
import { once } from 'node:events';

/** A payment as the sender holds it. */
export interface BenchPayment {
  externalId: string;
  patientId: string;
  amount: string;
}

/** Ids in scattered order, as real systems hand them out: a permutation of 0 … count − 1. */
export function scattered(place: number, count: number): number {
  // A step that shares no divisor with any count we use (it is prime) visits every number once.
  return Number((BigInt(place) * 618_033_989n) % BigInt(count));
}

export function paymentAt(place: number, rows: number, patients: number): BenchPayment {
  const id = scattered(place, rows);
  const cents = (id * 7919) % 100_000;
  return {
    externalId: `pay-${String(id).padStart(8, '0')}`,
    patientId: String((id * 31) % patients),
    amount: `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`,
  };
}

export interface SnapshotPlan {
  rows: number;
  patients: number;
  /** Whether the records come in another order. */
  reversed?: boolean;
  /** Every so many-th row has another amount, is missing, or is new besides. */
  changeEvery?: number;
  dropEvery?: number;
  addEvery?: number;
}

/** Writes a JSON array of payments, streaming. @returns the number of records */
export async function writePayments(path: string, plan: SnapshotPlan): Promise<number> {
  let records = 0;
  await writeArray(path, function* () {
    for (let step = 0; step < plan.rows; step += 1) {
      const place = plan.reversed ? plan.rows - 1 - step : step;
      if (plan.dropEvery && place % plan.dropEvery === 1) continue;
      const payment = paymentAt(place, plan.rows, plan.patients);
      if (plan.changeEvery && place % plan.changeEvery === 2) payment.amount = '1234.56';
      records += 1;
      yield jsonOf(payment);
      if (!plan.addEvery || place % plan.addEvery !== 3) continue;
      records += 1;
      yield jsonOf({ ...payment, externalId: `new-${payment.externalId}` });
    }
  });
  return records;
}

/** Writes a JSON array of patients, streaming. */
export async function writePatients(path: string, patients: number): Promise<void> {
  await writeArray(path, function* () {
    for (let place = 0; place < patients; place += 1) {
      const id = scattered(place, patients);
      const born = `${1920 + (id % 100)}-${String(1 + (id % 12)).padStart(2, '0')}-${String(1 + (id % 28)).padStart(2, '0')}`;
      const [firstName, lastName] = [`First${id % 1000}`, `Last${id % 7919}`];
      yield JSON.stringify({ externalId: String(id), firstName, lastName, dateOfBirth: born });
    }
  });
}

/** Writes the same payments, and their patients, as the text that COPY takes into the tables of RAW. */
export async function writeRaw(
  files: { patients: string; payments: string },
  rows: number,
  patients: number,
): Promise<void> {
  await writeLines(files.patients, function* () {
    for (let id = 0; id < patients; id += 1) yield `${id + 1}\t1\t${id}\tFirst${id % 1000}\tLast${id % 7919}`;
  });
  await writeLines(files.payments, function* () {
    for (let place = 0; place < rows; place += 1) {
      const { externalId, patientId, amount } = paymentAt(place, rows, patients);
      yield `1\t${externalId}\t${Number(patientId) + 1}\t${amount}`;
    }
  });
}

function jsonOf({ externalId, patientId, amount }: BenchPayment): string {
  return `{"externalId":"${externalId}","patientId":"${patientId}","amount":${amount}}`;
}

const WRITE_BYTES = 256 * 1024;

/** Writes a JSON array, streaming. */
export function writeArray(path: string, elements: () => Iterable<string>): Promise<void> {
  return write(path, function* () {
    yield '[';
    let separator = '';
    for (const element of elements()) {
      yield separator + element;
      separator = ',';
    }
    yield ']';
  });
}

function writeLines(path: string, lines: () => Iterable<string>): Promise<void> {
  return write(path, function* () {
    for (const line of lines()) yield `${line}\n`;
  });
}

async function write(path: string, pieces: () => Iterable<string>): Promise<void> {
  const file = createWriteStream(path);
  let text = '';
  for (const piece of pieces()) {
    text += piece;
    if (text.length < WRITE_BYTES) continue;
    if (!file.write(text)) await once(file, 'drain');
    text = '';
  }
  file.end(text);
  await once(file, 'finish');
}
