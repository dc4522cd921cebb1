import type { Narrator } from './demo-narrator.js';
import { sendSample } from './demo-snapshots.js';
import { readSample } from './samples.js';
import { renderTable } from './tables.js';

interface Appointment {
  externalId: string;
  patientId: string;
  day: string;
  reason: string;
  minutes: number;
}

const FILE = 'resources/appointments.yaml';

const COLUMNS = [
  { heading: 'external id' },
  { heading: 'patient' },
  { heading: 'day' },
  { heading: 'reason' },
  { heading: 'minutes', isNumeric: true },
];

/** A chapter of the demo: a resource that a file declares, and a snapshot that is complete for one week of it. */
export async function showAppointments(narrator: Narrator): Promise<void> {
  const { terminal } = narrator;
  narrator.title('Records of your own');
  narrator.say(`The file samples/${FILE} declares another resource. It takes no code:`);
  const [, ...lines] = (await readSample(FILE)).trimEnd().split('\n');
  terminal.line(lines.map((line) => terminal.style('dim', `    ${line}`)).join('\n'));

  narrator.say('The clinic sends all its appointments. One is of a patient who is not in the mirror.');
  await sendSample(narrator, 'appointments', 'appointments.json');
  await askAppointments(narrator);

  narrator.say(
    'Then one week alone, a window. A-3 is missing in it and goes; A-5 has moved into it, A-7 is new, A-4 has its patient.\n' +
      '   The other weeks stay as they are, and A-6, which does not lie in this one, is rejected.',
  );
  const window = { mode: 'window', from: '2026-03-02', to: '2026-03-09' };
  await sendSample(narrator, 'appointments', 'appointments-week.json', window);
  await askAppointments(narrator);
}

async function askAppointments(narrator: Narrator): Promise<void> {
  const { api, terminal } = narrator;
  const path = '/appointments?sort=day';
  narrator.curl('', path);
  const { items } = await api.get<{ items: Appointment[] }>(path);
  const rows = items.map(({ externalId, patientId, day, reason, minutes }) => {
    return [externalId, patientId, day, reason, minutes];
  });
  terminal.line(renderTable(terminal, COLUMNS, rows));
}
