import { newIban, type Parties } from './companies.js';
import { drawText, IBAN_COUNTRIES, withIbanCheck } from './iban.js';
import { Random } from './random.js';

/** There are at most this many others that pay and are paid now and then. */
const MAX_STRANGERS = 50_000;

/** How many texts that are no IBANs there are. */
const INVALID_IBANS = 400;

/**
 * Beginnings that are none of the 249 codes of ISO 3166-1. XK (Kosovo) is in use among banks, and IBANs with it have a
 * structure and check digits; UK and EL are used in place of GB and GR; AN, CS and YU are codes of countries that are no more.
 */
const NO_COUNTRIES = ['XK', 'UK', 'EL', 'AN', 'CS', 'YU', 'XX', 'ZZ', 'QZ', '00', '1A'];

/** Ranges of places in {@link Parties.ibans}, each from its first place to before its end. */
export interface Range {
  from: number;
  to: number;
}

/** Adds strangers, that is, parties of no company, from countries all over the world. */
export function addStrangers(parties: Parties, seed: number): Range {
  const companies = parties.sepaAccounts.length;
  return addParties(parties, Math.min(MAX_STRANGERS, companies * 3), new Random(seed, 'strangers'));
}

/** Adds further parties whose IBANs are good. */
export function addParties(parties: Parties, count: number, random: Random): Range {
  const from = parties.ibans.length;
  for (let made = 0; made < count; made++)
    parties.ibans.push(newIban(random.pick(IBAN_COUNTRIES), random, parties.known));
  return { from, to: parties.ibans.length };
}

/** Adds parties whose IBANs begin with no code of a country. */
export function addInvalidParties(parties: Parties, seed: number): Range {
  const random = new Random(seed, 'invalid IBANs');
  const from = parties.ibans.length;
  for (let made = 0; made < INVALID_IBANS; made++) parties.ibans.push(invalidIban(random));
  return { from, to: parties.ibans.length };
}

function invalidIban(random: Random): string {
  const country = random.pick(NO_COUNTRIES);
  const bban = drawText('0123456789', 16, random);
  // Half of those of Kosovo and of the rest are right in everything else.
  return random.chance(0.5) ? withIbanCheck(country, bban) : country + drawText('0123456789', 2, random) + bban;
}
