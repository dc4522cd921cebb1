/** Findings of one kind that are told one by one; more are counted. */
const TOLD = 10;

/** What should not be. A run without any has passed. */
export class Findings {
  private readonly byKind = new Map<string, { count: number; told: string[] }>();

  constructor(private readonly log: (line: string) => void) {}

  /** @param detail ids and numbers, never what a record holds */
  add(kind: string, detail: string): void {
    const found = this.byKind.get(kind) ?? { count: 0, told: [] };
    this.byKind.set(kind, found);
    found.count += 1;
    if (found.told.length >= TOLD) return;
    found.told.push(detail);
    this.log(`FOUND ${kind}: ${detail}`);
  }

  count(kind: string): number {
    return this.byKind.get(kind)?.count ?? 0;
  }

  /** By kind: how many, and the first of them. */
  all(): Record<string, { count: number; told: string[] }> {
    return Object.fromEntries(this.byKind);
  }

  get isEmpty(): boolean {
    return this.byKind.size === 0;
  }
}
