import type { Random } from './random.js';

/** How the account numbers of a country are made. */
interface Country {
  /** Lengths and characters of the parts, as in the registry of IBANs: `n` digits, `a` letters, `c` both. */
  structure: string;
  /** Puts the country's own check digits into an account number. */
  complete?: (bban: string) => string;
}

/**
 * Countries and how their account numbers are built (SWIFT's IBAN registry). Countries whose own check digits need tables of
 * their banks are left out.
 */
const COUNTRIES: Readonly<Record<string, Country>> = {
  AD: { structure: '8n12c' },
  AE: { structure: '19n' },
  AL: { structure: '8n16c' },
  AT: { structure: '16n' },
  AZ: { structure: '4a20c' },
  BA: { structure: '16n', complete: mod97 },
  BE: { structure: '12n', complete: (bban) => withCheck(bban, 10, String(remainder(bban.slice(0, 10)) || 97)) },
  BG: { structure: '4a6n8c' },
  BH: { structure: '4a14c' },
  BR: { structure: '23n1a1c' },
  CH: { structure: '5n12c' },
  CR: { structure: '18n' },
  CY: { structure: '8n16c' },
  DE: { structure: '18n' },
  DK: { structure: '14n' },
  DO: { structure: '4a20n' },
  EG: { structure: '25n' },
  ES: { structure: '20n', complete: spanish },
  FI: { structure: '14n', complete: (bban) => bban.slice(0, 13) + luhn(bban.slice(0, 13)) },
  FR: { structure: '10n11c2n', complete: french },
  GB: { structure: '4a14n' },
  GE: { structure: '2a16n' },
  GI: { structure: '4a15c' },
  GR: { structure: '7n16c' },
  GT: { structure: '24c' },
  IE: { structure: '4a14n' },
  IL: { structure: '19n' },
  IS: { structure: '22n' },
  IT: { structure: '1a10n12c', complete: italian },
  JO: { structure: '4a4n18c' },
  KW: { structure: '4a22c' },
  KZ: { structure: '3n13c' },
  LB: { structure: '4n20c' },
  LI: { structure: '5n12c' },
  LT: { structure: '16n' },
  LU: { structure: '3n13c' },
  LV: { structure: '4a13c' },
  MC: { structure: '10n11c2n', complete: french },
  MD: { structure: '2c18c' },
  ME: { structure: '18n', complete: mod97 },
  MK: { structure: '15n', complete: mod97 },
  MT: { structure: '4a5n18c' },
  NL: { structure: '4a10n' },
  NO: { structure: '11n', complete: norwegian },
  PK: { structure: '4c16n' },
  PL: { structure: '24n', complete: polish },
  PT: { structure: '21n', complete: mod97 },
  QA: { structure: '4a21c' },
  RO: { structure: '4a16c' },
  RS: { structure: '18n', complete: mod97 },
  SA: { structure: '2n18c' },
  SE: { structure: '20n' },
  SI: { structure: '15n', complete: mod97 },
  SM: { structure: '1a10n12c', complete: italian },
  TN: { structure: '20n' },
  TR: { structure: '5n17c' },
  UA: { structure: '6n19c' },
};

/** All countries that IBANs are composed for. */
export const IBAN_COUNTRIES: readonly string[] = Object.keys(COUNTRIES);

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const DIGITS = '0123456789';
const CHARACTERS: Readonly<Record<string, string>> = { n: DIGITS, a: LETTERS, c: DIGITS + LETTERS };

/** Composes an IBAN with the structure of its country, and with the check digits of the country and of the IBAN. */
export function composeIban(country: string, random: Random): string {
  const { structure, complete } = COUNTRIES[country] as Country;
  const parts = structure.match(/\d{1,2}[nac]/g) ?? [];
  const drawn = parts.map((part) => drawText(CHARACTERS[part.slice(-1)] ?? '', Number(part.slice(0, -1)), random));
  return withIbanCheck(country, complete ? complete(drawn.join('')) : drawn.join(''));
}

/** The account number with its country and the check digits of ISO 7064, MOD 97-10. */
export function withIbanCheck(country: string, bban: string): string {
  const check = 98 - remainder(`${bban}${country}00`);
  return `${country}${String(check).padStart(2, '0')}${bban}`;
}

export function drawText(characters: string, length: number, random: Random): string {
  let text = '';
  for (let place = 0; place < length; place++) text += characters[random.below(characters.length)];
  return text;
}

/** The remainder by 97 of a text whose letters are read as 10 to 35. */
function remainder(text: string): number {
  let rest = 0;
  for (const character of text) {
    const value = Number.parseInt(character, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest;
}

/** Bosnia, Montenegro, North Macedonia, Portugal, Serbia, Slovenia: MOD 97-10 over the number itself. */
function mod97(bban: string): string {
  const front = bban.slice(0, -2);
  return front + String(98 - remainder(`${front}00`)).padStart(2, '0');
}

function withCheck(bban: string, place: number, check: string): string {
  return bban.slice(0, place) + check.padStart(2, '0');
}

/** France and Monaco: the RIB key, in which letters are read as digits from 1 to 9. */
function french(bban: string): string {
  const digits = Array.from(bban.slice(0, 21), (character) => {
    const value = Number.parseInt(character, 36);
    return value < 10 ? value : ((value - 10 + (value > 27 ? 1 : 0)) % 9) + 1;
  }).join('');
  return bban.slice(0, 21) + String(97 - remainder(`${digits}00`)).padStart(2, '0');
}

const weighted = (digits: string, weights: readonly number[]) =>
  Array.from(digits).reduce((sum, digit, place) => sum + Number(digit) * (weights[place] ?? 0), 0);

/** Spain: a digit for bank and branch, another one for the account. */
function spanish(bban: string): string {
  const digit = (text: string) => {
    const rest = 11 - (weighted(text, [1, 2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11);
    return rest < 10 ? rest : 11 - rest;
  };
  const [bank, account] = [bban.slice(0, 8), bban.slice(10)];
  return bank + digit(`00${bank}`) + digit(account) + account;
}

/** Norway: MOD 11. A number whose check digit would be 10 is moved to the next one. */
function norwegian(bban: string): string {
  let front = bban.slice(0, 10);
  for (;;) {
    const rest = (11 - (weighted(front, [5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11)) % 11;
    if (rest < 10) return front + rest;
    front = String((Number(front) + 1) % 1e10).padStart(10, '0');
  }
}

/** Poland: the eighth digit checks bank and branch. */
function polish(bban: string): string {
  const check = (10 - (weighted(bban.slice(0, 7), [3, 9, 7, 1, 3, 9, 7]) % 10)) % 10;
  return bban.slice(0, 7) + check + bban.slice(8);
}

/** Finland: the last digit, by Luhn's rule. */
function luhn(digits: string): number {
  const sum = Array.from(digits).reduce((sum, digit, place) => {
    const value = Number(digit) * (place % 2 === 0 ? 2 : 1);
    return sum + (value > 9 ? value - 9 : value);
  }, 0);
  return (10 - (sum % 10)) % 10;
}

/** What a character at an odd place counts, by its value at even places. */
const ODD = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];

/** Italy and San Marino: a letter (CIN) in front, which checks all that follows. */
function italian(bban: string): string {
  const rest = bban.slice(1);
  const sum = Array.from(rest).reduce((sum, character, place) => {
    const value = character < 'A' ? Number(character) : LETTERS.indexOf(character);
    return sum + (place % 2 === 0 ? (ODD[value] ?? 0) : value);
  }, 0);
  return `${LETTERS[sum % 26]}${rest}`;
}
