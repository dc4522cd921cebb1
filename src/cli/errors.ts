import { Command, Option } from 'commander';
import { once } from 'node:events';
import type { JobView } from '../sync/jobs/job-view.js';
import type { RecordErrorView } from '../sync/jobs/record-error-log.js';
import type { ApiClient } from './api-client.js';
import type { Application } from './application.js';
import { EXIT } from './exit-codes.js';
import { suggest } from './job-report.js';
import { jobPath } from './jobs-api.js';
import { kindOf } from './rejected-records.js';
import { type Session, talkToServer } from './run-command.js';
import { renderTable } from './tables.js';
import type { Terminal } from './terminal.js';

interface ErrorsOptions {
  format: 'table' | 'ndjson' | 'csv';
}

/** One page of the server: all rows of a table are needed for its layout. */
const TABLE_ROWS = 1_000;

const MEDIA_TYPES = { ndjson: 'application/x-ndjson', csv: 'text/csv' };

/** `errors ID`: the records of a job that were rejected or are unresolved. */
export function errorsCommand(app: Application): Command {
  const command = new Command('errors')
    .description('show the records of a job that were rejected or are unresolved')
    .argument('<id>', 'the job')
    .addOption(
      new Option('--format <format>', 'ndjson and csv print all of them, with the records as they were sent')
        .choices(['table', 'ndjson', 'csv'])
        .default('table'),
    );
  return talkToServer<ErrorsOptions>(app, command, showErrors);
}

async function showErrors(session: Session<ErrorsOptions>, id = ''): Promise<number> {
  const { api, terminal, options } = session;
  const format = options.json && options.format === 'table' ? 'ndjson' : options.format;
  if (format === 'table') await showTable(session, id);
  else await copyBody(api, terminal, id, MEDIA_TYPES[format]);
  return EXIT.ok;
}

async function showTable({ api, terminal, options }: Session<ErrorsOptions>, id: string): Promise<void> {
  const path = jobPath(id, `/errors?limit=${TABLE_ROWS}`);
  const { items, nextCursor } = await api.get<{ items: RecordErrorView[]; nextCursor: string | null }>(path);
  if (items.length === 0) {
    const job = await api.get<JobView>(jobPath(id, ''));
    terminal.line(whyNoErrors(job));
    return;
  }
  const columns = [
    { heading: 'record', isNumeric: true },
    ...['external id', 'kind', 'reason'].map((heading) => ({ heading })),
  ];
  const rows = items.map((error) => [String(error.index), error.externalId ?? '–', kindOf(error), reasonOf(error)]);
  terminal.line(renderTable(terminal, columns, rows));
  if (nextCursor === null) return;
  terminal.line(`\n  There are more: ${suggest({ api, terminal, ...options }, `errors ${id} --format ndjson`)}`);
}

/** Without errors every record was mirrored only if the job was applied. */
function whyNoErrors({ status, error }: JobView): string {
  if (status === 'completed') return 'Every record was mirrored.';
  return `No record was reported. The job is ${status}${error ? `: ${error.detail}` : '.'}`;
}

function reasonOf({ errors }: RecordErrorView): string {
  return Object.entries(errors)
    .map(([field, messages]) => `${field}: ${messages.join('; ')}`)
    .join('; ');
}

/** Copies the server's answer to the output, as fast as the reader takes it. */
async function copyBody(api: ApiClient, terminal: Terminal, id: string, mediaType: string): Promise<void> {
  const response = await api.open(jobPath(id, '/errors'), { headers: { Accept: mediaType } });
  if (!response.body) return;
  for await (const bytes of response.body) {
    if (terminal.isClosed) return;
    if (!terminal.output.write(bytes)) await once(terminal.output, 'drain').catch(() => undefined);
  }
}
