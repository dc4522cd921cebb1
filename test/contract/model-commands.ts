import fc from 'fast-check';
import type { Decision, ModelRecord, ResourceName, SnapshotOptions } from './mirror-model.js';

/** The next action of a sender or an operator. */
export type Command =
  | { kind: 'submit'; resource: ResourceName; records: ModelRecord[]; options: SnapshotOptions }
  /** `pick` chooses among the jobs, modulo their number. */
  | { kind: 'decide'; decision: Decision; pick: number; isUnfinished: boolean }
  /** The same bytes once more, with the same options: `ago` counts back from the newest job. */
  | { kind: 'send again' | 'replay'; ago: number };

// Few keys, so that snapshots overlap; code points order the last two differently than UTF-16 units do.
const PATIENTS = ['9', '10', 'Z', 'a', '\uFB00', '\u{1F600}'];
const PAYMENTS = ['501', '502', 'Ä', 'm', 'M', "'; --"];

const patient: fc.Arbitrary<ModelRecord> = fc
  .record({
    key: fc.constantFrom(...PATIENTS),
    firstName: fc.constantFrom('Ann', 'Bob\t\\N'),
    middleName: fc.constantFrom(undefined, null, '', 'M.'),
    isSnakeCase: fc.boolean(),
  })
  .map(({ key, firstName, middleName, isSnakeCase }) => ({
    sent: isSnakeCase
      ? { last_name: 'Tell', middle_name: middleName, first_name: firstName, external_id: spelled(key) }
      : { externalId: spelled(key), firstName, lastName: 'Tell', middleName, shoeSize: 43 },
    key,
    value: { fields: JSON.stringify([firstName, middleName ?? null]) },
  }));

const invalidPatient: fc.Arbitrary<ModelRecord> = fc.constantFrom(...PATIENTS).map((key) => ({
  sent: { externalId: key, firstName: null, lastName: 'Tell' },
  key,
  value: null,
  code: 'invalid_record',
}));

/** Some amounts are equal in different spellings. */
const AMOUNTS: [unknown, bigint][] = [
  [1, 10_000n],
  ['1.00', 10_000n],
  [2.5, 25_000n],
  ['-0.0001', -1n],
  [0, 0n],
  ['999999999999999.9999', 9_999_999_999_999_999_999n],
];

const payment: fc.Arbitrary<ModelRecord> = fc
  .record({
    key: fc.constantFrom(...PAYMENTS),
    parent: fc.constantFrom(...PATIENTS, 'nobody'),
    amount: fc.constantFrom(...AMOUNTS),
  })
  .map(({ key, parent, amount: [sent, amount] }) => ({
    sent: { externalId: spelled(key), patientId: spelled(parent), amount: sent },
    key,
    value: { fields: `${parent} ${amount}`, parents: { patients: parent }, amount },
  }));

const invalidPayment: fc.Arbitrary<ModelRecord> = fc.constantFrom(...PAYMENTS).map((key) => ({
  sent: { externalId: key, patientId: '9', amount: '1.00001' },
  key,
  value: null,
  code: 'invalid_record',
}));

const nobody: fc.Arbitrary<ModelRecord> = fc.constantFrom<ModelRecord[]>(
  { sent: { externalId: null, firstName: 'Ann', lastName: 'Tell' }, key: null, value: null, code: 'invalid_record' },
  { sent: {}, key: null, value: null, code: 'invalid_record' },
  { sent: ['9'], key: null, value: null, code: 'not_an_object' },
  { sent: null, key: null, value: null, code: 'not_an_object' },
);

const snapshots = (resource: ResourceName, valid: fc.Arbitrary<ModelRecord>, invalid: fc.Arbitrary<ModelRecord>) =>
  fc.record({
    kind: fc.constant('submit' as const),
    resource: fc.constant(resource),
    records: fc.array(
      fc.oneof({ weight: 8, arbitrary: valid }, { weight: 1, arbitrary: invalid }, { weight: 1, arbitrary: nobody }),
      { maxLength: 10, size: 'max' },
    ),
    options: fc.record({
      mode: fc.constantFrom('full' as const, 'partial' as const),
      deletes: fc.constantFrom('auto' as const, 'apply' as const, 'hold' as const),
      dryRun: fc.constantFrom(false, false, false, false, true),
    }),
  });

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 5, arbitrary: snapshots('patients', patient, invalidPatient) },
  { weight: 5, arbitrary: snapshots('payments', payment, invalidPayment) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('decide' as const),
      decision: fc.constantFrom<Decision[]>('approve', 'approve', 'reject', 'cancel'),
      pick: fc.nat(100),
      isUnfinished: fc.constantFrom(true, true, true, true, true, true, true, false),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('send again' as const), ago: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('replay' as const), ago: fc.nat(8) }) },
);

/** The actions on one source, in their order. */
export const story = fc.array(command, { minLength: 8, maxLength: 20, size: 'max' });

/** An id of digits may come as a number. */
function spelled(key: string): string | number {
  return key === '10' || key === '502' ? Number(key) : key;
}
