const UINT32 = 2 ** 32;

/**
 * Numbers that look random and follow from a seed: the same on every machine, as only integers and single floating-point
 * operations are used. Each purpose has a sequence of its own, so that a change of one leaves the others as they are.
 * The generator is sfc32 (Chris Doty-Humphrey's Small Fast Chaotic generator).
 */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  constructor(seed: number, purpose: string) {
    const text = `${seed}/${purpose}`;
    this.a = hashText(text, 0x811c9dc5);
    this.b = hashText(text, 0x9e3779b9);
    this.c = hashText(text, 0x85ebca6b);
    for (let round = 0; round < 12; round++) this.next();
  }

  /** A whole number from 0 to 2^32 − 1. */
  next(): number {
    const sum = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A number from 0 to below 1, with 32 bits. */
  fraction(): number {
    return this.next() / UINT32;
  }

  /** A whole number from 0 to below `limit`, which is at most 2^32. */
  below(limit: number): number {
    return Math.floor((this.next() / UINT32) * limit);
  }

  /** A whole number between two, both included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability * UINT32;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

/** Draws from a list of `[value, weight]`, the heavier the more often. */
export class WeightedChoice<T> {
  private readonly values: readonly T[];
  private readonly bounds: number[] = [];

  constructor(entries: ReadonlyArray<readonly [T, number]>) {
    this.values = entries.map(([value]) => value);
    let sum = 0;
    for (const [, weight] of entries) this.bounds.push((sum += weight));
  }

  draw(random: Random): T {
    const place = random.below(this.bounds.at(-1) ?? 0);
    return this.values[this.bounds.findIndex((bound) => place < bound)] as T;
  }
}

/** A whole number from 0 to 2^32 − 1 that follows from two others: what is drawn for one of many without a sequence. */
export function mix(one: number, other: number): number {
  let hash = (one ^ Math.imul(other + 1, 0x9e3779b1)) | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** FNV-1a with another beginning. */
function hashText(text: string, start: number): number {
  let hash = start;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return mix(hash, text.length);
}
