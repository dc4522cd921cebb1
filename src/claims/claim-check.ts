import { parseDecimal } from '../values/money.js';
import { type ProblemDetail, Refusal } from '../http/refusal.js';
import { rawNumber } from '../values/exact-json.js';
import { isLongerThan, isStorable } from '../values/text.js';
import type { CheckedClaim, ClaimLine } from './checked-claim.js';
import { type ClaimRule, MAX_CHARACTERS } from './claim-rules.js';
import { decimalOf, readCents } from './fees.js';
import { type ClaimField, EXTERNAL_ID, fieldNamed, LINE_FIELDS, type LineField } from './line-fields.js';
import type { SentClaim, SentFields, SentLine } from './sent-claim.js';
import { readServiceDate } from './service-date.js';

/** The same limit as for the external ids of records. */
const MAX_ID_CHARACTERS = 250;

/** The most digits before and after the point of a JSON number that is read as text. */
const MAX_DIGITS = 250;

/** Names of fields whose look-up is cached per claim. A real claim has far fewer different names. */
const MAX_REMEMBERED_NAMES = 100;

/**
 * The default of MAX_CLAIM_LINES, so that each line of the largest claim can have a reported fault. A body can hold nine
 * times as many, and an answer with all of them would be larger than the body.
 */
export const MAX_REPORTED_FAULTS = 10_000;

const DETAILS = {
  no_lines: 'A claim has at least one line.',
  not_a_line: 'A line is an object with fields.',
  wrong_number_of_cells: 'The row has more or fewer cells than the header.',
  missing_field: 'is required',
  duplicate_field: 'is there twice',
  not_text: 'must be text or a number',
  unstorable_text: 'contains a NUL or an unpaired surrogate',
  too_long: `must have at most ${MAX_CHARACTERS} characters`,
  id_too_long: `must have at most ${MAX_ID_CHARACTERS} characters`,
  conflicting_claim_id: 'differs within the claim',
};

type FaultCode = keyof typeof DETAILS;

/**
 * Checks one claim against the rules and finds every fault in it. Faults beyond `MAX_REPORTED_FAULTS` are only counted.
 * Reports never contain values.
 */
export class ClaimCheck {
  private readonly reported: ProblemDetail[] = [];
  private faults = 0;
  private externalId: string | null = null;
  /** A cache of `fieldNamed`: all lines of a claim use the same names. */
  private readonly names = new Map<string, ClaimField | null>();

  private constructor(
    private readonly sent: SentClaim,
    private readonly rules: ReadonlyMap<LineField, readonly ClaimRule[]>,
  ) {}

  /** @throws Refusal 422 that lists the faults of the claim */
  static check(sent: SentClaim, rules: readonly ClaimRule[]): CheckedClaim {
    const byField = LINE_FIELDS.map((field) => [field, rules.filter(({ fields }) => fields.includes(field))] as const);
    return new ClaimCheck(sent, new Map(byField)).checked();
  }

  private checked(): CheckedClaim {
    const { sent } = this;
    this.takeExternalId(this.read(sent.fields, '').get(EXTERNAL_ID), '');
    const lines = sent.lines.map((line, index) => this.readLine(line, index));
    if (lines.length === 0) this.report('no_lines', sent.linesAt);
    if (this.faults > 0) throw refusal(this.reported, this.faults);
    const [checked, netFee] = withTotal(lines);
    return { externalClaimId: this.externalId, netFee, lines: checked };
  }

  private readLine(line: SentLine, index: number): Map<ClaimField, string> {
    const at = this.sent.isList ? `${this.sent.linesAt}/${index}` : this.sent.linesAt;
    if ('fault' in line) {
      this.report(line.fault, at);
      return new Map();
    }
    const values = this.read(line.fields, at);
    for (const field of LINE_FIELDS) this.checkRules(field, values.get(field), at);
    this.takeExternalId(values.get(EXTERNAL_ID), at);
    return values;
  }

  /** Reads the known fields as trimmed text. A value that is not text is reported, and read as `UNREADABLE`. */
  private read(fields: SentFields, at: string): Map<ClaimField, string> {
    const values = new Map<ClaimField, string>();
    const twice = new Set<ClaimField>();
    for (const [name, value] of fields) {
      const field = this.fieldNamed(name);
      if (field === null) continue;
      if (values.has(field)) twice.add(field);
      const text = textOf(value);
      const fault = text === null ? 'not_text' : isStorable(text) ? null : 'unstorable_text';
      if (fault !== null) this.reportField(fault, field, at);
      values.set(field, fault === null ? (text ?? '') : UNREADABLE);
    }
    for (const field of twice) this.reportField('duplicate_field', field, at);
    return values;
  }

  private fieldNamed(name: string): ClaimField | null {
    let field = this.names.get(name);
    if (field === undefined) {
      field = fieldNamed(name);
      if (this.names.size < MAX_REMEMBERED_NAMES) this.names.set(name, field);
    }
    return field;
  }

  private checkRules(field: LineField, value: string | undefined, at: string): void {
    if (value === UNREADABLE) return;
    if (value === undefined || value === '') {
      if (field !== 'quadrant') this.reportField('missing_field', field, at);
      return;
    }
    if (isLongerThan(MAX_CHARACTERS, value)) {
      this.reportField('too_long', field, at);
      return;
    }
    for (const { name, check, message } of this.rules.get(field) ?? []) {
      if (!check(value)) this.reportViolation(name, field, at, message);
    }
  }

  private takeExternalId(value: string | undefined, at: string): void {
    if (value === undefined || value === '' || value === UNREADABLE) return;
    if (isLongerThan(MAX_ID_CHARACTERS, value)) this.reportField('id_too_long', EXTERNAL_ID, at);
    else if (this.externalId !== null && this.externalId !== value) {
      this.reportField('conflicting_claim_id', EXTERNAL_ID, at);
    } else this.externalId = value;
  }

  private reportField(code: FaultCode, field: ClaimField, at: string): void {
    this.reportViolation(code, field, at, DETAILS[code]);
  }

  private reportViolation(code: string, field: ClaimField, at: string, message: string): void {
    this.count(() => ({ pointer: `${at}/${field}`, code, detail: `${field} ${message}` }));
  }

  private report(code: FaultCode, pointer: string): void {
    this.count(() => ({ pointer, code, detail: DETAILS[code] }));
  }

  private count(describe: () => ProblemDetail): void {
    this.faults += 1;
    if (this.reported.length < MAX_REPORTED_FAULTS) this.reported.push(describe());
  }
}

/** Stands for a value that has been reported as unreadable. No valid text contains a NUL. */
const UNREADABLE = '\0';

/** Reads a value as text: a trimmed string, or the digits of a number. @returns null for anything else */
function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value.trim();
  // `String(-0)` is `0`, but the sender wrote a sign.
  if (Object.is(value, -0)) return '-0';
  const literal = typeof value === 'number' ? String(value) : rawNumber(value);
  // Written without an exponent, as neither ids nor amounts have one.
  return literal === null ? null : (parseDecimal(literal, MAX_DIGITS, MAX_DIGITS) ?? literal);
}

function withTotal(lines: Map<ClaimField, string>[]): [ClaimLine[], string] {
  let total = 0n;
  const checked = lines.map((values) => {
    const [line, cents] = lineFrom((field) => values.get(field) ?? '');
    total += cents;
    return line;
  });
  return [checked, decimalOf(total)];
}

/** @returns the line and its net fee in cents */
function lineFrom(value: (field: LineField) => string): [ClaimLine, bigint] {
  const cents = (field: LineField) => readCents(value(field)) ?? 0n;
  const [provider, allowed] = [cents('provider_fees'), cents('allowed_fees')];
  const [coinsurance, copay] = [cents('member_coinsurance'), cents('member_copay')];
  const net = provider + coinsurance + copay - allowed;
  const line = {
    serviceDate: readServiceDate(value('service_date')) ?? '',
    submittedProcedure: value('submitted_procedure'),
    quadrant: value('quadrant') || null,
    planGroupNumber: value('plan_group_number'),
    subscriberNumber: value('subscriber_number'),
    providerNpi: value('provider_npi'),
    providerFees: decimalOf(provider),
    allowedFees: decimalOf(allowed),
    memberCoinsurance: decimalOf(coinsurance),
    memberCopay: decimalOf(copay),
    netFee: decimalOf(net),
  };
  return [line, net];
}

function refusal(errors: ProblemDetail[], faults: number): Refusal {
  const found = faults === 1 ? 'there is one fault in it' : `there are ${faults} faults in it`;
  const beyond = faults > errors.length ? `, of which the first ${errors.length} are told` : '';
  return new Refusal(422, 'invalid_claim', `Nothing of the claim is stored: ${found}${beyond}.`, { errors });
}
