import { DATES, DAYS } from '../maker/days.js';
import type { Rail } from '../maker/sizes.js';
import type { SortedLines } from './sorted-lines.js';

/** Days in one answer. */
const WINDOW_DAYS = 5;

/** Days of transactions: `from` included, `to` excluded; both are dates. */
export interface Window {
  from: string;
  to: string;
  /** What asks for the next window; null: this is the last one. */
  next: string | null;
}

const WINDOWS: readonly Window[] = Array.from({ length: Math.ceil(DAYS / WINDOW_DAYS) }, (_, place) => {
  const [from, to] = [place * WINDOW_DAYS, Math.min((place + 1) * WINDOW_DAYS, DAYS)];
  return { from: DATES[from] as string, to: DATES[to] as string, next: to < DAYS ? (DATES[to] as string) : null };
});

/** What is answered after the last window. */
const END: Window = { from: DATES[DAYS] as string, to: DATES[DAYS] as string, next: null };

/** Finds the window that a cursor asks for, by its first day; an empty one asks for the first. */
export function findWindow(cursor: string): Window | null {
  if (cursor === '') return WINDOWS[0] as Window;
  return [...WINDOWS, END].find(({ from }) => from === cursor) ?? null;
}

/** Which window comes next, as the server itself remembers it, for callers that have no cursor. */
export class ServerCursors {
  private readonly places: Record<Rail, number> = { sepa: 0, swift: 0 };

  current(rail: Rail): Window {
    return WINDOWS[this.places[rail]] ?? END;
  }

  /** Moves on, unless another call has done so already. */
  advance(rail: Rail, past: Window): void {
    if (this.current(rail) === past && past !== END) this.places[rail]++;
  }

  isAtEnd(rail: Rail): boolean {
    return this.current(rail) === END;
  }

  /** Begins again, as a server does that has forgotten where it was. */
  restart(): void {
    this.places.sepa = 0;
    this.places.swift = 0;
  }
}

/** Where windows begin in a file, once that was looked for: a few hundred numbers for each file. */
const STARTS = new WeakMap<SortedLines, Map<string, number>>();

/** The lines of a window, in blocks. */
export async function* linesOf(lines: SortedLines, { from, to }: Window): AsyncGenerator<string[]> {
  yield* lines.read(await startOf(lines, from), await startOf(lines, to));
}

async function startOf(lines: SortedLines, date: string): Promise<number> {
  const starts = STARTS.get(lines) ?? new Map<string, number>();
  STARTS.set(lines, starts);
  const known = starts.get(date);
  if (known !== undefined) return known;
  const start = await lines.find((line) => timestampOf(line) < date);
  starts.set(date, start);
  return start;
}

const TIMESTAMP = '"timestamp":"';

/** All timestamps have one length and form, so they are compared as texts, also with dates. */
export function timestampOf(line: string): string {
  const at = line.lastIndexOf(TIMESTAMP) + TIMESTAMP.length;
  return line.slice(at, line.indexOf('"', at));
}

const ID = '{"id":"';

export function idOf(line: string): string {
  return line.slice(ID.length, line.indexOf('"', ID.length));
}
