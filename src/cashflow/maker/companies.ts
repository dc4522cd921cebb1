import type { Faker } from '@faker-js/faker';
import { composeIban } from './iban.js';
import { Random, WeightedChoice } from './random.js';

/** A company as the files have it. */
export interface Company {
  /** From 1, in the order of the file. */
  id: number;
  name: string;
  owner: string;
  address: string;
  /** What its source states as its balance: made up, and no part of any other figure. */
  balance: number;
  ibans: string[];
}

/** Countries of companies, all of them in SEPA, with the locale of faker that writes their names and addresses. */
const HOMES = {
  DE: () => import('@faker-js/faker/locale/de'),
  FR: () => import('@faker-js/faker/locale/fr'),
  NL: () => import('@faker-js/faker/locale/nl'),
  ES: () => import('@faker-js/faker/locale/es'),
  IT: () => import('@faker-js/faker/locale/it'),
  GB: () => import('@faker-js/faker/locale/en_GB'),
  PL: () => import('@faker-js/faker/locale/pl'),
  BE: () => import('@faker-js/faker/locale/nl_BE'),
  AT: () => import('@faker-js/faker/locale/de_AT'),
  CH: () => import('@faker-js/faker/locale/de_CH'),
  PT: () => import('@faker-js/faker/locale/pt_PT'),
  SE: () => import('@faker-js/faker/locale/sv'),
  DK: () => import('@faker-js/faker/locale/da'),
  NO: () => import('@faker-js/faker/locale/nb_NO'),
  FI: () => import('@faker-js/faker/locale/fi'),
  IE: () => import('@faker-js/faker/locale/en_IE'),
};

type Home = keyof typeof HOMES;

const HOME_CHOICE = new WeightedChoice<Home>([
  ['DE', 20],
  ['FR', 15],
  ['NL', 9],
  ['ES', 9],
  ['IT', 10],
  ['GB', 9],
  ['PL', 5],
  ['BE', 4],
  ['AT', 4],
  ['CH', 4],
  ['PT', 3],
  ['SE', 2],
  ['DK', 2],
  ['NO', 1],
  ['FI', 2],
  ['IE', 1],
]);

const ACCOUNTS_CHOICE = new WeightedChoice([
  [1, 20],
  [2, 36],
  [3, 26],
  [4, 12],
  [5, 6],
]);

/** Further accounts of a company are at home, elsewhere in SEPA, or beyond it. */
const ABROAD = { sepa: 0.2, beyond: 0.1 };

const BEYOND_SEPA = ['AE', 'TR', 'BR', 'IL', 'SA', 'QA', 'RS', 'UA'];

/** Balances that sources state lie below. */
const MAX_STATED_BALANCE = 100_000;

/**
 * The parties of transactions: first the accounts of the companies, in the order of the companies, then others.
 * Texts and numbers by place, as there are hundreds of thousands of them.
 */
export interface Parties {
  ibans: string[];
  /** The company of each account, counted from 0. */
  owners: number[];
  /** The place of the first account of each company, and of the end of all. The accounts in SEPA come first. */
  firstAccounts: number[];
  /** How many of its accounts are in SEPA. */
  sepaAccounts: number[];
  /** All IBANs that are in use. */
  known: Set<string>;
}

/** Makes companies one after the other, and adds their accounts to the parties. */
export class CompanyMaker {
  readonly parties: Parties = { ibans: [], owners: [], firstAccounts: [0], sepaAccounts: [], known: new Set() };
  private readonly random: Random;
  private readonly fakers: Map<Home, Faker>;

  private constructor(seed: number, fakers: Map<Home, Faker>) {
    this.random = new Random(seed, 'companies');
    this.fakers = fakers;
    let place = 0;
    for (const faker of fakers.values()) faker.seed([...new Uint32Array([seed, seed / 2 ** 32, place++])]);
  }

  /** Loads faker only now: no other command needs it. */
  static async load(seed: number): Promise<CompanyMaker> {
    const homes = Object.entries(HOMES) as [Home, () => Promise<{ faker: Faker }>][];
    const loaded = await Promise.all(homes.map(async ([home, load]) => [home, (await load()).faker] as const));
    return new CompanyMaker(seed, new Map(loaded));
  }

  next(): Company {
    const { random, parties } = this;
    const home = HOME_CHOICE.draw(random);
    const faker = this.fakers.get(home) as Faker;
    const index = parties.sepaAccounts.length;
    const countries = this.drawCountries(home);
    const ibans = countries.map((country) => newIban(country, random, parties.known));
    for (const iban of ibans) {
      parties.ibans.push(iban);
      parties.owners.push(index);
    }
    parties.firstAccounts.push(parties.ibans.length);
    parties.sepaAccounts.push(countries.filter((country) => !BEYOND_SEPA.includes(country)).length);
    const { location } = faker;
    return {
      id: index + 1,
      name: faker.company.name(),
      owner: faker.person.fullName(),
      address: `${location.streetAddress()}\n${location.zipCode()} ${location.city()}, ${home}`,
      balance: random.below(MAX_STATED_BALANCE),
      ibans,
    };
  }

  /** The countries of a company's accounts, those in SEPA first. */
  private drawCountries(home: Home): string[] {
    const { random } = this;
    const countries: string[] = [];
    for (let further = ACCOUNTS_CHOICE.draw(random) - 1; further > 0; further--) {
      const place = random.fraction();
      if (place < ABROAD.beyond) countries.push(random.pick(BEYOND_SEPA));
      else countries.unshift(place < ABROAD.beyond + ABROAD.sepa ? HOME_CHOICE.draw(random) : home);
    }
    return [home, ...countries];
  }
}

/** An IBAN that nobody has yet. */
export function newIban(country: string, random: Random, known: Set<string>): string {
  let iban = composeIban(country, random);
  while (known.has(iban)) iban = composeIban(country, random);
  known.add(iban);
  return iban;
}
