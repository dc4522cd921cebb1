import { formatMoney } from '../values/money.js';
import type { EntryView, StatementPart } from './account-statement.js';

/** The message of ISO 20022 in which banks send statements, in the version that SEPA uses. */
const NAMESPACE = 'urn:iso:std:iso:20022:tech:xsd:camt.053.001.08';

/** The type `IBAN2007Identifier` of the message. Others go into `Othr`. */
const IBAN = /^[A-Z]{2}[0-9]{2}[a-zA-Z0-9]{1,30}$/;

/** `Max34Text`, `Max35Text` and `Max500Text` of the message. */
const OTHER_ID = 34;
const REFERENCE = 35;
const INFORMATION = 500;

/** What a whole document says. */
export interface StatementHead {
  iban: string;
  /** Instants: `from` included, `to` excluded. */
  from: string;
  to: string;
  createdAt: string;
}

/** Writes a document: a statement for each currency, with its balances before its entries, as the message wants them. */
export async function* camt053(head: StatementHead, parts: AsyncIterable<StatementPart>): AsyncGenerator<string> {
  const created = element('CreDtTm', head.createdAt);
  yield `<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="${NAMESPACE}"><BkToCstmrStmt>\n`;
  yield `<GrpHdr>${element('MsgId', head.createdAt.replace(/\W/g, ''))}${created}</GrpHdr>\n`;
  for await (const { currency, opening, closing, entries } of parts) {
    yield `<Stmt>${element('Id', `${head.createdAt.replace(/\W/g, '')}-${currency}`.slice(0, REFERENCE))}${created}`;
    yield `<FrToDt>${element('FrDtTm', head.from)}${element('ToDtTm', head.to)}</FrToDt>`;
    yield `<Acct>${account(head.iban)}${element('Ccy', currency)}</Acct>\n`;
    yield balance('OPBD', opening, currency, head.from) + balance('CLBD', closing, currency, justBefore(head.to));
    for await (const entry of entries) yield entryOf(entry, currency);
    yield '</Stmt>\n';
  }
  yield '</BkToCstmrStmt></Document>\n';
}

/** The last moment that a statement is about: its end is excluded. @param to as we write instants */
function justBefore(to: string): string {
  const hasMicroseconds = /\.\d{4,6}Z$/.test(to.slice(-8));
  return hasMicroseconds ? to : `${new Date(Date.parse(to) - 1).toISOString().slice(0, -1)}999Z`;
}

function balance(code: 'OPBD' | 'CLBD', amount: string, currency: string, at: string): string {
  const type = `<Tp><CdOrPrtry>${element('Cd', code)}</CdOrPrtry></Tp>`;
  return `<Bal>${type}${signed(amount, currency)}<Dt>${element('DtTm', at)}</Dt></Bal>\n`;
}

function entryOf(entry: EntryView, currency: string): string {
  // The account that the statement is of is the other side.
  const other = entry.amount.startsWith('-') ? 'Cdtr' : 'Dbtr';
  const parties = `<${other}Acct>${account(entry.counterparty)}</${other}Acct>`;
  const details = `<RltdPties>${parties}</RltdPties>${element('AddtlTxInf', entry.transactionId.slice(0, INFORMATION))}`;
  return (
    `<Ntry>${element('NtryRef', entry.id.slice(0, REFERENCE))}${signed(entry.amount, currency)}` +
    `<Sts>${element('Cd', 'BOOK')}</Sts><BookgDt>${element('DtTm', entry.timestamp)}</BookgDt>` +
    `<BkTxCd><Prtry>${element('Cd', entry.resource.toUpperCase())}</Prtry></BkTxCd>` +
    `<NtryDtls><TxDtls>${details}</TxDtls></NtryDtls></Ntry>\n`
  );
}

/** Amounts have no sign in the message: it says on which side they are. */
function signed(amount: string, currency: string): string {
  const isDebit = amount.startsWith('-');
  const shown = formatMoney(isDebit ? amount.slice(1) : amount);
  return `<Amt Ccy="${escape(currency)}">${shown}</Amt>${element('CdtDbtInd', isDebit ? 'DBIT' : 'CRDT')}`;
}

function account(iban: string): string {
  const isOne = iban.length <= OTHER_ID && IBAN.test(iban);
  return `<Id>${isOne ? element('IBAN', iban) : `<Othr>${element('Id', iban.slice(0, OTHER_ID))}</Othr>`}</Id>`;
}

function element(name: string, text: string): string {
  return `<${name}>${escape(text)}</${name}>`;
}

/** XML 1.0 has no form for control characters: they become spaces. */
function escape(text: string): string {
  let escaped = '';
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const isControl = (code < 0x20 && ![0x9, 0xa, 0xd].includes(code)) || code === 0xfffe || code === 0xffff;
    escaped += isControl ? ' ' : (ENTITIES[character] ?? character);
  }
  return escaped;
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };
