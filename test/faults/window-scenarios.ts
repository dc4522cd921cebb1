import type { JobView } from '../../src/sync/jobs/job-view.js';
import { aPatient, type Sender } from '../http/sender.js';
import { type Scenario, submitted } from './scenarios.js';

// Bookings of rooms, which are complete for a window and hang on rooms, with totals, and some of them on patients
// (`test/resources`).

const FEBRUARY = '/bookings?mode=window&from=2026-02-01&to=2026-03-01';

const room = (number: number, name = 'Hall', partOf: string | null = null) => ({
  site: 'north',
  number,
  name,
  partOf,
});

const booking = (externalId: string, day: string | null, more: Record<string, unknown> = {}) => ({
  externalId,
  select: 'north|1',
  order: 1,
  operation: day,
  ordinal: '2.50',
  ...more,
});

/** Rooms 1 and 2, which is a part of 1; bookings inside February and outside, of which `restored` is deleted again. */
async function prepare(from: Sender): Promise<void> {
  await from.mirror('/patients', [aPatient({ externalId: 'here' })]);
  await from.mirror('/rooms', [room(1), room(2, 'Attic', 'north|1')]);
  const bookings = [
    booking('kept', '2026-02-01'),
    booking('changed', '2026-02-02'),
    booking('gone', '2026-02-28'),
    booking('retained', '2026-02-10', { select: 'north|2' }),
    booking('moved in', '2026-05-01', { before: 'here' }),
    booking('outside', '2026-03-01'),
    booking('without a day', null),
    booking('waits already', '2026-02-04', { select: 'south|1' }),
  ];
  await from.mirror('/bookings', [...bookings, booking('restored', '2026-02-03')]);
  await from.mirror('/bookings', bookings);
}

/** `gone` and `waits already` are missing; `outside` stays where it is, as does `retained`, whose new version is invalid. */
const NEXT = [
  booking('kept', '2026-02-01'),
  booking('changed', '2026-02-20', { select: 'north|2', ordinal: '-1.25' }),
  booking('retained', '2026-02-10', { order: 'first' }),
  booking('moved in', '2026-02-05', { before: 'here' }),
  booking('outside', '2026-03-02', { ordinal: '9.00' }),
  booking('restored', '2026-02-03'),
  booking('new', '2026-02-06', { select: 'north|2', ordinal: '0.01' }),
  booking('waits for a room', '2026-02-07', { select: 'west|9' }),
  booking('waits for a patient', '2026-02-08', { before: 'nobody' }),
];

const COUNTS = {
  received: 9,
  created: 4,
  updated: 2,
  unchanged: 1,
  deleted: 2,
  rejected: 2,
  retained: 2,
  unresolved: 2,
};
const PLAN = { create: 4, update: 2, delete: 2, unchanged: 1, live: 5 };

export const windowSnapshot: Scenario = {
  name: 'a window that moves in, moves on, deletes, restores, keeps, rejects and waits',
  prepare,
  begin: (from) => submitted(from, FEBRUARY, NEXT),
  end: { status: 'completed', mode: 'window', counts: COUNTS },
};

const heldWindow: Scenario = {
  name: 'a window that is held',
  prepare,
  begin: (from) => submitted(from, `${FEBRUARY}&deletes=hold`, NEXT),
  end: { status: 'awaiting_approval', plan: { ...PLAN, held: true, listed: 8 } },
};

export const approvedWindow: Scenario = {
  name: 'a window whose plan was approved',
  prepare: async (from) => {
    await prepare(from);
    await from.mirror(`${FEBRUARY}&deletes=hold`, NEXT);
  },
  begin: async (from) => {
    const held = await from.get('/sync/jobs?status=awaiting_approval');
    return (await (await from.decide(held.items[0].id, 'approve')).json()) as JobView;
  },
  end: { ...windowSnapshot.end, plan: PLAN },
};

export const revertedWindow: Scenario = {
  name: 'the revert of a window',
  prepare: async (from) => {
    await prepare(from);
    await from.mirror(FEBRUARY, NEXT);
  },
  begin: async (from) => {
    const { items } = await from.get('/sync/jobs?limit=1');
    return (await (await from.decide(items[0].id, 'revert')).json()) as JobView;
  },
  end: { status: 'completed', counts: { received: 4, created: 2, updated: 2, deleted: 4, rejected: 0, unresolved: 1 } },
};

/** Room 2 goes and takes its bookings out of sight, `south|1` comes and shows those that wait for it, and 1 gets a whole. */
export const parentsOfWindows: Scenario = {
  name: 'a snapshot of rooms that come and go with bookings and parts',
  prepare: async (from) => {
    await prepare(from);
    await from.mirror(FEBRUARY, NEXT);
    await from.mirror('/bookings?mode=partial', [booking('waits already', '2026-02-04', { select: 'south|1' })]);
  },
  begin: (from) => {
    const south = { site: 'south', number: 1, name: 'Barn', partOf: null };
    return submitted(from, '/rooms', [room(1, 'Hall', 'south|1'), south]);
  },
  end: { status: 'completed', counts: { received: 2, created: 1, updated: 1, deleted: 1, rejected: 0, unresolved: 0 } },
};

/** All ways that a job with a window can go that are its own, and a job of the resource on which its rows hang. */
export const allWindowScenarios: Scenario[] = [
  windowSnapshot,
  heldWindow,
  approvedWindow,
  revertedWindow,
  parentsOfWindows,
];
