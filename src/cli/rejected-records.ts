import type { RecordErrorView } from '../sync/jobs/record-error-log.js';
import type { ApiClient } from './api-client.js';
import { jobPath } from './jobs-api.js';
import { printable, type Terminal } from './terminal.js';

/** The two kinds of errors: a record cannot be mirrored, or it waits for its parent. */
export type ErrorKind = 'rejected' | 'unresolved';

/** The codes of records that wait begin with `unresolved_`. */
export function kindOf({ code }: RecordErrorView): ErrorKind {
  return code.startsWith('unresolved_') ? 'unresolved' : 'rejected';
}

/** Streams a job's records with errors of one kind, in the order of the snapshot. */
export async function* streamErrors(api: ApiClient, jobId: string, kind?: ErrorKind): AsyncGenerator<RecordErrorView> {
  const stop = new AbortController();
  const response = await api.open(jobPath(jobId, '/errors'), {
    headers: { Accept: 'application/x-ndjson' },
    signal: stop.signal,
  });
  try {
    for await (const line of linesOf(response)) {
      const error = JSON.parse(line) as RecordErrorView;
      if (kind === undefined || kindOf(error) === kind) yield error;
    }
  } finally {
    stop.abort();
  }
}

/** The lines of a body as they arrive. Unlike `readline`, this also ends, with an error, when the connection breaks. */
async function* linesOf(response: Response): AsyncGenerator<string> {
  if (!response.body) return;
  let rest = '';
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}

/**
 * Prints at most `limit` records of a kind with their reasons.
 * @returns how many were printed
 */
export async function printErrors(
  { api, terminal }: { api: ApiClient; terminal: Terminal },
  jobId: string,
  kind: ErrorKind,
  limit: number,
): Promise<number> {
  let printed = 0;
  if (limit === 0) return printed;
  for await (const error of streamErrors(api, jobId, kind)) {
    await terminal.flowingLine(errorLine(terminal, error));
    printed += 1;
    if (printed >= limit || terminal.isClosed) break;
  }
  return printed;
}

/** `  ✗ record 2, 13: dateOfBirth: Date of birth cannot be in the future` */
export function errorLine(terminal: Terminal, error: RecordErrorView): string {
  const mark = kindOf(error) === 'rejected' ? terminal.style('red', '✗') : terminal.style('yellow', '…');
  const place = `record ${error.index}`.padEnd(13);
  const id = error.externalId === null ? '(no external id)' : printable(error.externalId);
  const reasons = Object.entries(error.errors).map(([field, messages]) => `${field}: ${messages.join('; ')}`);
  return `  ${mark} ${terminal.style('dim', place)} ${id}  ${printable(reasons.join('; '))}`;
}
