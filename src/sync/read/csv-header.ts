/** The header row of a CSV snapshot: names its fields and makes records of its rows. */
export class CsvHeader {
  /** Why it cannot be used, or null. Tells columns by number, as a broken header may well be somebody's data. */
  readonly fault: string | null;
  private readonly names: string[];

  constructor(cells: readonly string[]) {
    this.names = cells.map((cell) => cell.trim());
    this.fault = faultOf(this.names);
  }

  get width(): number {
    return this.names.length;
  }

  /** A record of one row's cells, of which there are `width`; empty ones are left out. */
  record(cells: readonly string[]): Record<string, string> {
    const record: Record<string, string> = {};
    for (let column = 0; column < cells.length; column++) {
      const value = cells[column] as string;
      const name = this.names[column] as string;
      if (value === '') {
        continue;
      }
      if (name === '__proto__') {
        // By assignment it would become the prototype.
        Object.defineProperty(record, name, { value, writable: true, enumerable: true, configurable: true });
      } else {
        record[name] = value;
      }
    }
    return record;
  }
}

/** Among them the CR of a table whose lines end in nothing else: all of it would be one header, and no record. */
const CONTROL = /\p{Cc}/u;

function faultOf(names: readonly string[]): string | null {
  const columns = new Map<string, number>();
  for (const [index, name] of names.entries()) {
    const earlier = columns.get(name);
    if (name === '') {
      return `Column ${index + 1} of the header has no name.`;
    }
    if (CONTROL.test(name)) {
      return `The name of column ${index + 1} of the header holds a control character; lines end in LF or CRLF.`;
    }
    if (earlier !== undefined) {
      return `Columns ${earlier} and ${index + 1} of the header have the same name.`;
    }
    columns.set(name, index + 1);
  }
  return null;
}
