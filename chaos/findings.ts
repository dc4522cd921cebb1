/** Findings of one kind that are listed; further ones are only counted. */
const MAX_EXAMPLES = 10;

/** Violations of what the run checks. A run without any has passed. */
export class Findings {
  private readonly byKind = new Map<string, { count: number; examples: string[] }>();

  constructor(private readonly log: (line: string) => void) {}

  /** @param detail ids and numbers, never what a record holds */
  add(kind: string, detail: string): void {
    const found = this.byKind.get(kind) ?? { count: 0, examples: [] };
    this.byKind.set(kind, found);
    found.count += 1;
    if (found.examples.length >= MAX_EXAMPLES) return;
    found.examples.push(detail);
    this.log(`FOUND ${kind}: ${detail}`);
  }

  count(kind: string): number {
    return this.byKind.get(kind)?.count ?? 0;
  }

  /** By kind: how many, and the first of them. */
  all(): Record<string, { count: number; examples: string[] }> {
    return Object.fromEntries(this.byKind);
  }

  get isEmpty(): boolean {
    return this.byKind.size === 0;
  }
}
