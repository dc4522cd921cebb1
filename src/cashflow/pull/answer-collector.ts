import { createHash } from 'node:crypto';
import { constants, zstdCompressSync } from 'node:zlib';
import type { Form } from '../source/dialects.js';
import { boundsOfMonth, monthOf, type Span } from '../source/moments.js';
import { RowMap } from '../source/row-map.js';
import { SourceFault } from '../source/source-fault.js';

/** NDJSON of one piece before compression: some milliseconds of work, and a tenth of that in the database. */
const PIECE_CHARACTERS = 1024 ** 2;

/** Months of one answer, whatever the source says: a hundred years. */
const MAX_MONTHS = 1_200;

/** Currencies that are remembered; a source that has more has invented them. */
const MAX_CURRENCIES = 1_000;

const ZSTD = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** Rows of one month. */
export interface Piece extends Span {
  month: string;
  records: number;
  /** NDJSON, compressed with zstd; null: none. */
  data: Buffer | null;
}

/** Rows of one month that are being collected. */
interface Group {
  lines: string[];
  characters: number;
  pieces: Pick<Piece, 'records' | 'data'>[];
}

/** Collects the rows of one answer as NDJSON, by month, compressed as they come. */
export class AnswerCollector {
  records = 0;
  firstAt: string | null = null;
  lastAt: string | null = null;
  /** What asks for the next page, of the last row; null if it lacks that. */
  place: string[] | null = null;
  /** Rows by currency. */
  readonly currencies = new Map<string, number>();
  private readonly groups = new Map<string, Group>();
  private readonly hash = createHash('sha256');
  private readonly rowMap: RowMap;

  constructor(form: Form, maxRawCharacters: number) {
    this.rowMap = new RowMap(form, maxRawCharacters);
  }

  add(row: Buffer): void {
    const { line, at, place, currency } = this.rowMap.map(row);
    this.hash.update(row);
    this.records++;
    this.place = place;
    if (currency !== null && (this.currencies.has(currency) || this.currencies.size < MAX_CURRENCIES)) {
      this.currencies.set(currency, (this.currencies.get(currency) ?? 0) + 1);
    }
    if (at !== null && (this.firstAt === null || at < this.firstAt)) this.firstAt = at;
    if (at !== null && (this.lastAt === null || at > this.lastAt)) this.lastAt = at;
    const group = this.groupOf(at === null ? '' : monthOf(at));
    group.lines.push(line);
    group.characters += line.length;
    if (group.characters >= PIECE_CHARACTERS) flush(group);
  }

  /** To be called once: the same for answers with the same rows. */
  digest(): string {
    return this.hash.digest('hex').slice(0, 32);
  }

  /** The rows of an answer about no window; without any, an empty piece. */
  whole(): Piece[] {
    const pieces = [...this.groups.values()].flatMap((group) => take(group));
    return (pieces.length > 0 ? pieces : [NOTHING]).map((piece) => ({ ...EVERYTHING, ...piece }));
  }

  /**
   * The rows of a window by its months, of which each has a piece, if only an empty one. Rows whose time lies in other months, or
   * cannot be read, go along with the first month, where they are rejected.
   */
  within(window: Span): Piece[] {
    const months = monthsOf(window);
    // A page may end with a row of the first moment of a month.
    const next = monthOf(window.to);
    if (boundsOfMonth(next).from === window.to && this.groups.has(next)) months.push(next);
    const elsewhere = [...this.groups.keys()].filter((month) => !months.includes(month));
    return months.flatMap((month, place) => {
      const groups = [month, ...(place === 0 ? elsewhere : [])].flatMap((name) => this.groups.get(name) ?? []);
      const pieces = groups.flatMap((group) => take(group));
      const { from, to } = boundsOfMonth(month);
      const span = { from: from > window.from ? from : window.from, to: to < window.to ? to : window.to };
      return (pieces.length > 0 ? pieces : [NOTHING]).map((piece) => ({ ...piece, ...span, month }));
    });
  }

  private groupOf(month: string): Group {
    const found = this.groups.get(month);
    if (found) return found;
    if (this.groups.size >= MAX_MONTHS) throw tooLong();
    const group: Group = { lines: [], characters: 0, pieces: [] };
    this.groups.set(month, group);
    return group;
  }
}

const NOTHING = { records: 0, data: null };

const EVERYTHING = { month: '', from: '', to: '' };

/** The months that a window touches. */
function monthsOf({ from, to }: Span): string[] {
  const months = [monthOf(from)];
  for (;;) {
    const { to: next } = boundsOfMonth(months.at(-1) as string);
    if (next >= to) return months;
    if (months.length >= MAX_MONTHS) throw tooLong();
    months.push(monthOf(next));
  }
}

function flush(group: Group): void {
  if (group.lines.length === 0) return;
  const data = zstdCompressSync(group.lines.join(''), ZSTD);
  group.pieces.push({ records: group.lines.length, data });
  group.lines = [];
  group.characters = 0;
}

function take(group: Group): Pick<Piece, 'records' | 'data'>[] {
  flush(group);
  return group.pieces.splice(0);
}

function tooLong(): SourceFault {
  return new SourceFault('window_too_long', `An answer is about more than ${MAX_MONTHS} months.`, 'none');
}
