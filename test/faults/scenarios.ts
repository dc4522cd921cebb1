import type { JobView } from '../../src/sync/jobs/job-view.js';
import { aPatient, aPayment, type Sender } from '../http/sender.js';

/** A job whose workers are killed: the state before it, the request, and its end. */
export interface Scenario {
  name: string;
  prepare: (from: Sender) => Promise<unknown>;
  /** @returns the job that is to be worked on */
  begin: (from: Sender) => Promise<JobView>;
  /** How the job ends. Everything else must be as it is without a fault. */
  end: object;
}

const invalid = { dateOfBirth: '1899-01-01' };

/** Patients 1 to 5, of whom 5 is deleted again, and payments of known and unknown patients. */
async function prepare(from: Sender): Promise<void> {
  await from.mirror(
    '/patients',
    ['1', '2', '3', '4', '5'].map((externalId) => aPatient({ externalId })),
  );
  await from.mirror('/payments', [
    aPayment({ externalId: '1', patientId: '1', amount: '10.00' }),
    aPayment({ externalId: '2', patientId: '2', amount: '20.00' }),
    aPayment({ externalId: '3', patientId: '5', amount: '30.00' }),
    aPayment({ externalId: '4', patientId: 'new', amount: '40.00' }),
  ]);
  await from.mirror(
    '/patients?deletes=apply',
    ['1', '2', '3', '4'].map((externalId) => aPatient({ externalId })),
  );
}

/** 1 is unchanged, 2 deleted, 3 updated, 4 retained as its new version is invalid, 5 restored, `new` created, `twice` duplicated. */
const NEXT = [
  aPatient({ externalId: '1' }),
  aPatient({ externalId: '3', firstName: 'Roy', unknown: true }),
  aPatient({ externalId: '4', ...invalid }),
  aPatient({ externalId: '5' }),
  aPatient({ externalId: 'new' }),
  aPatient({ externalId: 'twice' }),
  aPatient({ externalId: 'twice', firstName: 'Pris' }),
];

export const fullSnapshot: Scenario = {
  name: 'a snapshot that creates, updates, deletes, restores, keeps and rejects',
  prepare,
  begin: (from) => submitted(from, '/patients', NEXT),
  end: {
    status: 'completed',
    counts: {
      received: 7,
      created: 3,
      updated: 1,
      unchanged: 1,
      deleted: 1,
      rejected: 2,
      retained: 1,
      unresolved: 0,
    },
  },
};

export const partialSnapshot: Scenario = {
  name: 'a partial snapshot of payments, some of them unresolved',
  prepare,
  begin: (from) =>
    submitted(from, '/payments?mode=partial', [
      aPayment({ externalId: '1', patientId: '3', amount: '11.00' }),
      aPayment({ externalId: '2', patientId: 'nobody', amount: '20.00' }),
      aPayment({ externalId: '5', patientId: '4', amount: '50.005' }),
      aPayment({ externalId: '6', patientId: '4', amount: 'much' }),
    ]),
  end: {
    status: 'completed',
    counts: {
      received: 4,
      created: 1,
      updated: 2,
      unchanged: 0,
      deleted: 0,
      rejected: 1,
      retained: 0,
      unresolved: 1,
    },
  },
};

export const heldSnapshot: Scenario = {
  name: 'a snapshot that is held',
  prepare,
  begin: (from) => submitted(from, '/patients?deletes=hold', NEXT),
  end: { status: 'awaiting_approval', plan: { create: 3, update: 1, delete: 1, unchanged: 1, live: 4, held: true } },
};

const approvedSnapshot: Scenario = {
  name: 'a plan that was approved',
  prepare: async (from) => {
    await prepare(from);
    await from.mirror('/patients?deletes=hold', NEXT);
  },
  begin: async (from) => {
    const held = await from.get('/sync/jobs?status=awaiting_approval');
    return (await (await from.decide(held.items[0].id, 'approve')).json()) as JobView;
  },
  end: { ...fullSnapshot.end, plan: { create: 3, update: 1, delete: 1, unchanged: 1, live: 4 } },
};

export const truncatedSnapshot: Scenario = {
  name: 'a truncated snapshot',
  prepare,
  begin: (from) => submitted(from, '/patients', `${JSON.stringify([...NEXT, { externalId: 1 }]).slice(0, -1)},`),
  end: { status: 'failed', error: { code: 'truncated', record: 8 } },
};

export const sameSnapshot: Scenario = {
  name: 'the same bytes again',
  prepare: async (from) => {
    await prepare(from);
    await from.mirror('/patients?deletes=apply', [...NEXT.slice(0, 3), aPatient({ externalId: '5', ...invalid })]);
  },
  begin: (from) => submitted(from, '/patients', [...NEXT.slice(0, 3), aPatient({ externalId: '5', ...invalid })]),
  end: { status: 'completed', counts: { received: 4, unchanged: 2, rejected: 2, created: 0, updated: 0, deleted: 0 } },
};

const revertedSnapshot: Scenario = {
  name: 'the revert of a snapshot',
  prepare: async (from) => {
    await prepare(from);
    await from.mirror('/patients', NEXT);
  },
  begin: async (from) => {
    const { items } = await from.get('/sync/jobs?limit=1');
    return (await (await from.decide(items[0].id, 'revert')).json()) as JobView;
  },
  end: { status: 'completed', counts: { received: 2, created: 1, updated: 1, deleted: 3, rejected: 0, unresolved: 0 } },
};

/** All ways that a job of patients or payments can go. */
export const allScenarios: Scenario[] = [
  fullSnapshot,
  partialSnapshot,
  heldSnapshot,
  approvedSnapshot,
  truncatedSnapshot,
  revertedSnapshot,
  sameSnapshot,
];

/** @throws Error unless the snapshot is accepted */
export async function submitted(from: Sender, path: string, body: unknown): Promise<JobView> {
  const response = await from.post(path, body);
  if (response.status !== 202) throw new Error(`not accepted: ${response.status}`);
  return (await response.json()) as JobView;
}
