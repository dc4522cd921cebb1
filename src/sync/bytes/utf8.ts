import { isUtf8 } from 'node:buffer';

/**
 * One multi-byte character, byte by byte, by table 3-7 of the Unicode standard (well-formed UTF-8): no overlong forms,
 * no surrogates, nothing beyond U+10FFFF.
 */
export class Utf8Character {
  /** How many bytes of the character have been taken. */
  taken = 0;
  private missing = 0;
  private lowest = 0x80;
  private highest = 0xbf;

  /** Whether more bytes are to come. */
  get isOpen(): boolean {
    return this.missing > 0;
  }

  /** Takes a first byte of 0x80 or more; false if no character begins with it. */
  begin(lead: number): boolean {
    this.taken = 1;
    this.lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    this.highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    this.missing = followers(lead);
    return this.missing > 0;
  }

  /** Takes a further byte; false if the character cannot go on with it. */
  accept(byte: number): boolean {
    if (byte < this.lowest || byte > this.highest) {
      return false;
    }
    this.lowest = 0x80;
    this.highest = 0xbf;
    this.taken++;
    this.missing--;
    return true;
  }
}

/** Checks text in pieces for well-formed UTF-8; a character may lie across pieces. */
export class Utf8Check {
  private carried: Buffer = Buffer.alloc(0);

  /** Whether the text ends, so far, in the middle of a character. */
  get isOpen(): boolean {
    return this.carried.length > 0;
  }

  /** Index in `piece` of the first malformed character (negative if it began in an earlier piece), or null. */
  findFault(piece: Buffer): number | null {
    const bytes = this.carried.length === 0 ? piece : Buffer.concat([this.carried, piece]);
    const whole = wholeCharacters(bytes);
    if (isUtf8(bytes.subarray(0, whole))) {
      this.carried = Buffer.from(bytes.subarray(whole));
      return null;
    }
    return firstMalformed(bytes) - this.carried.length;
  }
}

function followers(lead: number): number {
  if (lead < 0xc2 || lead > 0xf4) {
    return 0;
  }
  return lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
}

/** Length without a character that is cut off at the end. */
function wholeCharacters(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if (byte >= 0xc0) {
      return followers(byte) >= back ? bytes.length - back : bytes.length;
    }
  }
  return bytes.length;
}

function firstMalformed(bytes: Buffer): number {
  const character = new Utf8Character();
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (character.isOpen ? !character.accept(byte) : byte >= 0x80 && !character.begin(byte)) {
      return character.isOpen ? i - character.taken : i;
    }
  }
  return bytes.length;
}
