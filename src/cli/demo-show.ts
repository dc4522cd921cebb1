import type { ApiClient } from './api-client.js';
import { showAppointments } from './demo-appointments.js';
import { showBank } from './demo-bank.js';
import { showClaim } from './demo-claim.js';
import type { Narrator } from './demo-narrator.js';
import { followJob, sendSample } from './demo-snapshots.js';
import { countsLine, headline, printPlan } from './job-report.js';
import { type Job, jobPath, submitSnapshot } from './jobs-api.js';
import { inMemory } from './samples.js';
import { renderTable } from './tables.js';
import type { Terminal } from './terminal.js';

interface PatientItem {
  externalId: string;
  firstName: string;
  lastName: string;
  dateOfBirth: string | null;
  paymentsTotal: string;
  paymentsCount: number;
}

interface PaymentItem {
  externalId: string;
  patientId: string;
  amount: string;
}

/** About a second of work: long enough to see the progress bar move. */
const LARGE_RECORDS = 100_000;

/** Creates a key for all sources (`*`) with the scopes that a reader needs. */
const KEY_COMMAND = "Your key    npm run cli -- keys create --name me --source '*' --scope submit,read,approve,ops";

/** The demo: two days of a fictional clinic, sent over HTTP like any sender's data. */
export class DemoShow {
  private readonly api: ApiClient;
  private readonly terminal: Terminal;

  constructor(private readonly narrator: Narrator) {
    this.api = narrator.api;
    this.terminal = narrator.terminal;
  }

  async run(): Promise<void> {
    await this.firstDay();
    await this.secondDay();
    if (this.narrator.target.hasAppointments) await showAppointments(this.narrator);
    await this.brokenExport();
    await showClaim(this.narrator);
    if (this.narrator.target.mayPull) await showBank(this.narrator);
    await this.largeSnapshot();
    this.invitation();
  }

  private async firstDay(): Promise<void> {
    this.narrator.title('Day 1');
    this.narrator.say('A clinic sends its patients: one was born in the future, one appears twice.');
    await sendSample(this.narrator, 'patients', 'patients-day1.json');
    this.narrator.say('It sends its payments. Two of them belong to patients that are not in the mirror.');
    await sendSample(this.narrator, 'payments', 'payments-day1.json');
    this.narrator.say('Who has paid between 10 and 20 in total?');
    await this.askPatients('payment_min=10&payment_max=20');
    this.narrator.say('The payments of patient 11:');
    await this.askPayments('11');
  }

  private async secondDay(): Promise<void> {
    this.narrator.title('Day 2');
    this.narrator.say('Payments first this time: one amount changed, one payment is new, two are gone.');
    await sendSample(this.narrator, 'payments', 'payments-day2.json');
    this.narrator.say('Then patients: 13 is corrected, 16 arrives, 11 has a new name, 12 has left.');
    await sendSample(this.narrator, 'patients', 'patients-day2.json');
    this.narrator.say('Payments 506 and 507 have found their patients by themselves. Largest totals first:');
    await this.askPatients('sort=-paymentsTotal');
  }

  /** Shows how the deletion guard stops a sender's mistake from emptying the mirror. */
  private async brokenExport(): Promise<void> {
    this.narrator.title('A mistake');
    this.narrator.say("The clinic's export breaks: a full snapshot without a single patient.");
    this.narrator.curl(`-H 'Content-Type: application/json' -d '[]'`, '/patients');
    const held = await followJob(this.narrator, await submitSnapshot(this.api, 'patients', inMemory('[]'), {}));
    printPlan(this.terminal, held);
    this.narrator.say('Somebody looks at the plan and drops it. The mirror was never touched.');
    this.narrator.curl('-X POST', jobPath(held.id, '/reject'));
    const rejected = await this.api.post<Job>(jobPath(held.id, '/reject'));
    this.terminal.line(`  ${headline(this.terminal, rejected)}`);
  }

  private async largeSnapshot(): Promise<void> {
    const count = LARGE_RECORDS.toLocaleString('en-US');
    this.narrator.title('Something larger');
    this.narrator.say(`${count} patients as NDJSON, as a dry run: everything but the writing.`);
    const file = inMemory(manyPatients(), 'application/x-ndjson');
    const accepted = await submitSnapshot(this.api, 'patients', file, { mode: 'partial', dryRun: true });
    const job = await followJob(this.narrator, accepted);
    this.terminal.line(`    ${countsLine(this.terminal, job)}; nothing was written`);
  }

  private async askPatients(query: string): Promise<void> {
    this.narrator.curl('', `/patients?${query}`);
    const { items } = await this.api.get<{ items: PatientItem[] }>(`/patients?${query}`);
    const columns = [
      { heading: 'external id' },
      { heading: 'name' },
      { heading: 'born' },
      { heading: 'payments', isNumeric: true },
      { heading: 'total', isNumeric: true },
    ];
    const rows = items.map((patient) => [
      patient.externalId,
      `${patient.firstName} ${patient.lastName}`,
      patient.dateOfBirth ?? '–',
      patient.paymentsCount,
      patient.paymentsTotal,
    ]);
    this.terminal.line(renderTable(this.terminal, columns, rows));
  }

  private async askPayments(patient: string): Promise<void> {
    this.narrator.curl('', `/payments?external_id=${patient}`);
    const { items } = await this.api.get<{ items: PaymentItem[] }>(`/payments?external_id=${patient}`);
    const columns = [{ heading: 'external id' }, { heading: 'patient' }, { heading: 'amount', isNumeric: true }];
    const rows = items.map(({ externalId, patientId, amount }) => [externalId, patientId, amount]);
    this.terminal.line(renderTable(this.terminal, columns, rows));
  }

  private invitation(): void {
    const { terminal } = this;
    const { target } = this.narrator;
    const { url } = this.api;
    const options = `${url.endsWith(':3000') ? '' : ` --url ${url}`}${target.source ? ` --source ${target.source}` : ''}`;
    this.narrator.title('Yours to explore');
    terminal.line(
      [
        `  API docs    ${url}/docs`,
        `  Queues      ${url}/admin/queues`,
        `  Jobs        npm run cli -- jobs${options}`,
        `  Your data   npm run cli -- load --model-name patient --input-file FILE${options}`,
        ...(target.wantsKeys ? [`  ${KEY_COMMAND}`] : []),
        '',
        '  It stays up until Ctrl-C.',
      ].join('\n'),
    );
  }
}

/** Returns the same bytes at every call, so that running the demo again stores no further snapshot. */
function manyPatients(): string {
  const lines = Array.from({ length: LARGE_RECORDS }, (_, index) => {
    const dateOfBirth = `${1930 + (index % 90)}-${String((index % 12) + 1).padStart(2, '0')}-15`;
    return JSON.stringify({ externalId: `L${index}`, firstName: 'Sample', lastName: `Patient ${index}`, dateOfBirth });
  });
  return `${lines.join('\n')}\n`;
}
