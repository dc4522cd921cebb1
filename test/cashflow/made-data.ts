import { parse } from 'csv-parse/sync';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FolderDestination } from '../../src/cashflow/maker/folder-destination.js';
import { makeData, type RowCounts } from '../../src/cashflow/maker/make-data.js';
import { describeData } from '../../src/cashflow/maker/manifest.js';
import { SIZES } from '../../src/cashflow/maker/sizes.js';

// The files as an independent reader sees them: plain text, exact numbers, and nothing of the maker's own code.

export interface Row {
  id: string;
  payer: string;
  beneficiary: string;
  /** As it is written. */
  amount: string;
  currency: string | null;
  timestamp: string;
}

export interface CompanyRow {
  id: string;
  name: string;
  owner: string;
  address: string;
  balance: number;
  ibans: string[];
}

/** Makes the small size, or other amounts, into a folder. */
export async function makeInto(
  folder: string,
  seed: number,
  options: { isFlat?: boolean; amounts?: { companies: number; sepa: number; swift: number } } = {},
): Promise<RowCounts> {
  const destination = await FolderDestination.prepare(folder, 'ndjson', false);
  const job = { amounts: options.amounts ?? SIZES.small, seed, isFlat: options.isFlat ?? false };
  const rows = await makeData(job, destination);
  await destination.finish(describeData('small', job, destination, rows));
  return rows;
}

const linesOf = (folder: string, name: string) => readFileSync(join(folder, name), 'utf8').trimEnd().split('\n');

const LINE =
  /^\{"id":"([0-9a-f-]{36})","payer_iban":"([A-Z0-9]+)","beneficiary_iban":"([A-Z0-9]+)","amount":(\d+(?:\.\d+)?),"currency":(null|"[A-Z]{3}"),"timestamp":"([^"]+)"\}$/;

export function readTransactions(folder: string, name: 'sepa' | 'swift'): Row[] {
  return linesOf(folder, `${name}.ndjson`).map((line) => {
    const [, id, payer, beneficiary, amount, currency, timestamp] = LINE.exec(line) as unknown as [
      string,
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    return { id, payer, beneficiary, amount, currency: JSON.parse(currency), timestamp };
  });
}

export function readCompanies(folder: string): CompanyRow[] {
  return linesOf(folder, 'companies.ndjson').map((line) => JSON.parse(line));
}

/** What a unit is worth in euros and in dollars, as written. */
export function readRates(folder: string): Map<string, { eur: string; usd: string }> {
  return new Map(
    linesOf(folder, 'rates.ndjson').map((line) => {
      const [, currency = '', usd = '', eur = ''] =
        /^\{"currency":"([A-Z]{3})","usd_rate":([\d.]+),"eur_rate":([\d.]+)\}$/.exec(line) ?? [];
      return [currency, { eur, usd }];
    }),
  );
}

export function readCsv(folder: string, name: string): Record<string, string>[] {
  return parse(readFileSync(join(folder, name)), { columns: true });
}

/** The codes of ISO 3166-1. */
const COUNTRIES = new Set(
  (
    'AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ ' +
    'CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR ' +
    'GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP ' +
    'KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT ' +
    'MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW ' +
    'SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ ' +
    'UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW'
  ).split(' '),
);

if (COUNTRIES.size !== 249) throw new Error(`there are 249 countries, not ${COUNTRIES.size}`);

const CURRENCIES = new Set(Intl.supportedValuesOf('currency'));

/** What is wrong with each row, by the rules of the contract alone. Rows that are there twice are told once. */
export function findDirty(rows: readonly Row[]): Map<Row, string[]> {
  const groups = Map.groupBy(rows, ({ id, payer, beneficiary, timestamp }) =>
    [id, payer, beneficiary, timestamp].join(),
  );
  const dirty = new Map<Row, string[]>();
  for (const group of groups.values()) {
    const distinct = Map.groupBy(group, ({ amount, currency }) => `${amount} ${currency}`);
    const isBatch = new Set(group.map(({ amount }) => amount)).size > 1;
    for (const copies of distinct.values()) {
      const [row] = copies as [Row];
      const kinds = [
        ...(isBatch ? ['batch'] : []),
        ...(COUNTRIES.has(row.payer.slice(0, 2)) && COUNTRIES.has(row.beneficiary.slice(0, 2)) ? [] : ['invalid_iban']),
        ...(row.currency !== null && CURRENCIES.has(row.currency) ? [] : ['no_currency']),
        ...(copies.length > 1 ? ['duplicate'] : []),
      ];
      if (kinds.length > 0) dirty.set(row, kinds);
    }
  }
  return dirty;
}

/** A decimal as a fraction: its digits, and the power of ten that they are divided by. */
function fraction(text: string): [digits: bigint, decimals: number] {
  const [whole = '', decimals = ''] = text.split('.');
  return [BigInt(whole + decimals), decimals.length];
}

/** Enough digits after the point for an amount times a rate. */
const SCALE = 20;

const scaled = (digits: bigint, decimals: number) => digits * 10n ** BigInt(SCALE - decimals);

function toCents(value: bigint): string {
  const [unit, sign] = [10n ** BigInt(SCALE - 2), value < 0n ? '-' : ''];
  const size = value < 0n ? -value : value;
  let cents = size / unit;
  const rest = size - cents * unit;
  if (rest > unit / 2n || (rest === unit / 2n && cents % 2n === 1n)) cents += 1n;
  const text = String(cents).padStart(3, '0');
  return `${sign && cents !== 0n ? sign : ''}${text.slice(0, -2)}.${text.slice(-2)}`;
}

/** The balances at the ends of all quarters, the slow way: for each company and quarter every amount is converted and added. */
export function computeTruth(folder: string): string[] {
  const rates = readRates(folder);
  const companies = readCompanies(folder);
  const owners = new Map(companies.flatMap(({ id, ibans }) => ibans.map((iban) => [iban, id])));
  const rows = (['sepa', 'swift'] as const).flatMap((name) => {
    const all = readTransactions(folder, name);
    const dirty = findDirty(all);
    const seen = new Set<string>();
    return all.filter((row) => {
      const text = JSON.stringify(row);
      const kinds = dirty.get(row) ?? [];
      const isFirst = !seen.has(text);
      seen.add(text);
      return isFirst && kinds.every((kind) => kind === 'duplicate');
    });
  });
  const byQuarter = Map.groupBy(
    rows,
    ({ timestamp }) => `${timestamp.slice(0, 4)}-Q${Math.ceil(Number(timestamp.slice(5, 7)) / 3)}`,
  );
  const lines: string[] = [];
  const balances = new Map(companies.map(({ id }) => [id, { eur: 0n, usd: 0n }]));
  for (let quarter = 0; quarter < 16; quarter++) {
    const [year, part] = [2018 + Math.floor(quarter / 4), (quarter % 4) + 1];
    for (const row of byQuarter.get(`${year}-Q${part}`) ?? []) {
      const rate = rates.get(row.currency ?? '') as { eur: string; usd: string };
      add(balances.get(owners.get(row.payer) ?? ''), row.amount, rate, -1n);
      add(balances.get(owners.get(row.beneficiary) ?? ''), row.amount, rate, 1n);
    }
    for (const [id, { eur, usd }] of balances) lines.push([id, `${year}-Q${part}`, toCents(eur), toCents(usd)].join());
  }
  return lines;
}

/** Adds a converted amount to a balance, if there is one. */
function add(
  balance: { eur: bigint; usd: bigint } | undefined,
  amount: string,
  rate: { eur: string; usd: string },
  sign: bigint,
): void {
  if (!balance) return;
  const [digits, decimals] = fraction(amount);
  for (const name of ['eur', 'usd'] as const) {
    const [value, places] = fraction(rate[name]);
    balance[name] += sign * scaled(digits * value, decimals + places);
  }
}
