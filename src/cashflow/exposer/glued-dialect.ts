import { invertRate } from '../maker/currencies.js';
import type { Rail } from '../maker/sizes.js';
import { type Answer, array, type Dialect, json, NO_ANSWER } from './answer.js';
import type { DataFolder } from './data-folder.js';
import { linesOf, type ServerCursors, timestampOf, type Window } from './windows.js';

/** One document holds the rows of one day at most, and no more than this many. */
const MAX_ROWS = 500;

const MIDNIGHT = 'T00:00:00.000000Z';

/**
 * `glued`: documents follow each other without anything between them, and hold their rows as JSON in a text. There is no
 * cursor but the one that the server remembers; at the end it does not answer any more. Rates say how many units a euro
 * costs, under the name of the dollar, and what a unit is worth in dollars, under that of the euro.
 */
export function gluedDialect(data: DataFolder, cursors: ServerCursors): Dialect {
  const transactions = (rail: Rail): Answer | typeof NO_ANSWER => {
    if (cursors.isAtEnd(rail)) return NO_ANSWER;
    const window = cursors.current(rail);
    return { status: 200, body: windowBody(data, rail, window), advance: () => cursors.advance(rail, window) };
  };
  return (path) => {
    switch (path) {
      case '/ping':
        return json({ message: 'pong' });
      case '/company_info':
        return { status: 200, body: companies(data) };
      case '/exchange_rates':
        return { status: 200, body: array(data.rates.read(0, data.rates.end), rate) };
      case '/sepa':
        return transactions('sepa');
      case '/swift':
        return transactions('swift');
      default:
        return null;
    }
  };
}

async function* windowBody(data: DataFolder, rail: Rail, window: Window): AsyncGenerator<string> {
  const name = `${rail}_transactions`;
  let rows: string[] = [];
  let day = '';
  let isEmpty = true;
  for await (const block of linesOf(data[rail], window)) {
    for (const line of block) {
      const date = timestampOf(line).slice(0, 10);
      if (rows.length > 0 && (date !== day || rows.length === MAX_ROWS)) {
        yield document(name, rows);
        isEmpty = false;
        rows = [];
      }
      day = date;
      rows.push(transaction(line));
    }
  }
  if (rows.length > 0 || isEmpty) yield document(name, rows);
}

async function* companies(data: DataFolder): AsyncGenerator<string> {
  for await (const block of data.companies.read(0, data.companies.end)) {
    yield document(
      'company_info',
      block.map((line) => company(line)),
    );
  }
}

function document(name: string, rows: readonly string[]): string {
  return `{"${name}":${JSON.stringify(`[${rows.join(',')}]`)}}`;
}

function transaction(line: string): string {
  const { id, payer_iban: sender, beneficiary_iban: beneficiary, amount, currency, timestamp } = JSON.parse(line);
  // A time of midnight is not told, only its date.
  const time = timestamp.endsWith(MIDNIGHT) ? timestamp.slice(0, 10) : timestamp;
  return JSON.stringify({ id, sender, beneficiary, amount: { Float: amount }, currency, time });
}

function company(line: string): string {
  const { id, ibans, name, address, balance } = JSON.parse(line);
  return JSON.stringify({ companyID: Number(id), ibans: `{${ibans.join(',')}}`, name, address, balance });
}

function rate(line: string): string {
  const [, currency = '', usd = '', eur = ''] = RATE.exec(line) ?? [];
  return `{"currency":"${currency}","usd_rate":${invertRate(eur)},"eur_rate":${usd}}`;
}

/** A line of the rates, which has some 60 characters. Their digits are kept as they are. */
const RATE = /^\{"currency":"([A-Z]{3})","usd_rate":([\d.]{1,40}),"eur_rate":([\d.]{1,40})\}$/;
