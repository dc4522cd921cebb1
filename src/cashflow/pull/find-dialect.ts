import { type DialectName, DIALECTS, dialectOf } from '../source/dialects.js';
import { AnswerReader } from '../source/answer-reader.js';
import { malformed, SourceFault } from '../source/source-fault.js';
import type { SourceClient } from '../source/source-client.js';
import type { CircuitBreaker } from '../source/circuit-breaker.js';

/** The first row is enough, so the rest of an answer is not read. */
class Seen extends Error {}

const MAX_ROW_BYTES = 64 * 1024;

/**
 * Finds out which dialect a source speaks: the first one whose companies are there and whose rows have an id by the name of that
 * dialect. Companies may be asked for any number of times. @throws SourceFault
 */
export async function findDialect(
  client: SourceClient,
  breaker: CircuitBreaker,
  signal: AbortSignal,
  attempts: number,
): Promise<DialectName> {
  for (const name of DIALECTS) {
    if (await speaks(name, client, breaker, signal, attempts)) return name;
  }
  throw new SourceFault('dialect_unknown', 'The source speaks none of the known dialects.', 'none');
}

/** A source that fails is asked again: only an answer tells what it speaks. */
async function speaks(
  name: DialectName,
  client: SourceClient,
  breaker: CircuitBreaker,
  signal: AbortSignal,
  attempts: number,
): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await hasCompanies(name, client, signal);
    } catch (error) {
      if (!(error instanceof SourceFault)) throw error;
      if (error.remedy === 'refused' || error.code === 'malformed_answer') return false;
      if (error.remedy === 'none' || attempt >= attempts) throw error;
      if (!(await breaker.check())) attempt = 0;
    }
  }
}

async function hasCompanies(name: DialectName, client: SourceClient, signal: AbortSignal): Promise<boolean> {
  const { path, rows, fields } = dialectOf(name).companies;
  const [id = ''] = fields['externalId']?.path ?? [];
  let hasId = true;
  const reader = new AnswerReader(rows, MAX_ROW_BYTES, (row) => {
    hasId = hasField(row, id);
    throw new Seen();
  });
  try {
    await client.read(path, signal, { mustBeJson: true, onBytes: (bytes) => reader.read(bytes) });
    reader.end();
  } catch (error) {
    if (!(error instanceof Seen)) throw error;
  }
  return hasId;
}

function hasField(row: Buffer, name: string): boolean {
  try {
    return Object.hasOwn(Object(JSON.parse(row.toString())) as object, name);
  } catch {
    throw malformed('a company is not JSON.');
  }
}
