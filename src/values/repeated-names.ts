import { rawNumber } from './exact-json.js';

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const SPACE = 0x20;

/** The names of an object's values that hold a name more than once, each with one such name; with null if it is that name itself. */
export type RepeatedNames = ReadonlyMap<string, string | null>;

const NONE: ReadonlyMap<number, RepeatedNames> = new Map();

/**
 * Finds the objects of JSON texts that have a name more than once, of which JSON.parse takes the last one silently. Without such
 * ones the texts have as many ends of names as the values have names: to count both takes a fifth of the time of parsing. Only
 * where the numbers differ the texts are looked through.
 * @param text valid JSON values, one after the other
 * @param values what was parsed from it
 * @returns the names by the places of their values
 */
export function repeatedNames(text: string, values: readonly unknown[]): ReadonlyMap<number, RepeatedNames> {
  return countEndsOfNames(text) === countNames(values) ? NONE : new NameWalk(text).found();
}

/** The colons behind a quotation mark or white space: those of all names, and perhaps some within strings. */
function countEndsOfNames(text: string): number {
  let count = 0;
  for (let index = text.indexOf(':'); index !== -1; index = text.indexOf(':', index + 1)) {
    const before = text.charCodeAt(index - 1);
    if (before === QUOTE || before <= SPACE) count += 1;
  }
  return count;
}

/** Goes down level by level, without recursion. */
function countNames(values: readonly unknown[]): number {
  let count = 0;
  for (let level = values; level.length > 0;) {
    const inside: unknown[] = [];
    for (const value of level) count += namesOf(value, inside);
    level = inside;
  }
  return count;
}

/** Counts the names of one object, and adds the lists and objects right inside a value to `inside`. */
function namesOf(value: unknown, inside: unknown[]): number {
  if (typeof value !== 'object' || value === null || rawNumber(value) !== null) return 0;
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === 'object' && item !== null) inside.push(item);
    return 0;
  }
  let count = 0;
  for (const name in value) {
    count += 1;
    const item = (value as Record<string, unknown>)[name];
    if (typeof item === 'object' && item !== null) inside.push(item);
  }
  return count;
}

/** Goes through valid JSON values once. */
class NameWalk {
  private readonly repeated = new Map<number, Map<string, string | null>>();
  /** The names so far of each open object; null for a list. */
  private readonly open: (Set<string> | null)[] = [];
  private value = -1;
  private outermostName = '';
  private isNameNext = false;

  constructor(private readonly text: string) {}

  found(): ReadonlyMap<number, RepeatedNames> {
    for (let index = 0; index < this.text.length; index += 1) index = this.meet(this.text.charCodeAt(index), index);
    return this.repeated;
  }

  /** @returns the index of the last character of what begins at `index` */
  private meet(character: number, index: number): number {
    if (character === COMMA) this.isNameNext = this.open.at(-1) instanceof Set;
    else if (character === OPEN_BRACE || character === OPEN_BRACKET) this.begin(character === OPEN_BRACE);
    else if (character === CLOSE_BRACE || character === CLOSE_BRACKET) this.open.pop();
    else if (character === QUOTE) return this.string(index);
    else if (character > SPACE && character !== COLON) return this.scalar(index);
    return index;
  }

  private begin(isObject: boolean): void {
    if (this.open.length === 0) this.value += 1;
    this.open.push(isObject ? new Set() : null);
    this.isNameNext = isObject;
  }

  private string(start: number): number {
    let end = start + 1;
    while (this.text.charCodeAt(end) !== QUOTE) end += this.text.charCodeAt(end) === BACKSLASH ? 2 : 1;
    if (this.open.length === 0) this.value += 1;
    if (this.isNameNext) this.name(JSON.parse(this.text.slice(start, end + 1)) as string);
    return end;
  }

  private name(name: string): void {
    this.isNameNext = false;
    if (this.open.length === 1) this.outermostName = name;
    const names = this.open.at(-1);
    if (names?.has(name)) {
      const ofValue = this.repeated.get(this.value) ?? new Map<string, string | null>();
      this.repeated.set(this.value, ofValue.set(this.outermostName, this.open.length === 1 ? null : name));
    }
    names?.add(name);
  }

  /** A number, `true`, `false` or `null`. */
  private scalar(start: number): number {
    if (this.open.length === 0) this.value += 1;
    let end = start;
    while (end + 1 < this.text.length && !ENDS_SCALAR.has(this.text.charCodeAt(end + 1))) end += 1;
    return end;
  }
}

const ENDS_SCALAR = new Set([COMMA, CLOSE_BRACKET, CLOSE_BRACE, SPACE, 0x0a, 0x0d, 0x09]);
