import { parseDecimal } from '../platform/money.js';
import { type ProblemDetail, Refusal } from '../platform/refusal.js';
import { rawNumber } from '../platform/exact-json.js';
import { isStorable } from '../sync/record-fields.js';
import type { CheckedClaim, ClaimLine } from './checked-claim.js';
import type { ClaimRule } from './claim-rules.js';
import { decimalOf, readCents } from './fees.js';
import { type ClaimField, EXTERNAL_ID, fieldNamed, LINE_FIELDS, type LineField } from './line-fields.js';
import type { SentClaim, SentFields, SentLine } from './sent-claim.js';
import { readServiceDate } from './service-date.js';

/** As long as the external ids of everything else. */
const MAX_ID_CHARACTERS = 250;

/** Digits of a number without a point that is meant as a text; and those of the largest amount, with its cents. */
const MAX_DIGITS = 250;

/** Names that are looked up once for each claim; more of them are somebody's invention. */
const MAX_REMEMBERED_NAMES = 100;

/**
 * As many as the largest claim has lines, where no setting says otherwise: room for a fault in each of them. A body can
 * hold nine times as many, and its answer would be larger than itself.
 */
export const MAX_TOLD_FAULTS = 10_000;

const DETAILS = {
  no_lines: 'A claim has at least one line.',
  not_a_line: 'A line is an object with fields.',
  wrong_number_of_cells: 'The row has more or fewer cells than the header.',
  missing_field: 'is required',
  duplicate_field: 'is there twice',
  not_text: 'must be text or a number',
  unstorable_text: 'holds a NUL or half a surrogate pair, which is no text',
  id_too_long: `must have at most ${MAX_ID_CHARACTERS} characters`,
  conflicting_claim_id: 'is not the same in all of the claim',
};

type FaultCode = keyof typeof DETAILS;

/** Checks one claim against the rules and finds every fault in it; beyond `MAX_TOLD_FAULTS` they are only counted. Nothing is told of the values. */
export class ClaimCheck {
  private readonly told: ProblemDetail[] = [];
  private faults = 0;
  private externalId: string | null = null;
  /** The lines of a claim all use the same names. */
  private readonly names = new Map<string, ClaimField | null>();

  private constructor(
    private readonly sent: SentClaim,
    private readonly rules: ReadonlyMap<LineField, readonly ClaimRule[]>,
  ) {}

  /** @throws Refusal 422 with the faults of the claim */
  static check(sent: SentClaim, rules: readonly ClaimRule[]): CheckedClaim {
    const byField = LINE_FIELDS.map((field) => [field, rules.filter(({ fields }) => fields.includes(field))] as const);
    return new ClaimCheck(sent, new Map(byField)).checked();
  }

  private checked(): CheckedClaim {
    const { sent } = this;
    this.takeExternalId(this.read(sent.fields, '').get(EXTERNAL_ID), '');
    const lines = sent.lines.map((line, index) => this.readLine(line, index));
    if (lines.length === 0) this.tell('no_lines', sent.linesAt);
    if (this.faults > 0) throw refusal(this.told, this.faults);
    const [checked, netFee] = totalled(lines);
    return { externalClaimId: this.externalId, netFee, lines: checked };
  }

  private readLine(line: SentLine, index: number): Map<ClaimField, string> {
    const at = this.sent.isList ? `${this.sent.linesAt}/${index}` : this.sent.linesAt;
    if ('fault' in line) {
      this.tell(line.fault, at);
      return new Map();
    }
    const values = this.read(line.fields, at);
    for (const field of LINE_FIELDS) this.judge(field, values.get(field), at);
    this.takeExternalId(values.get(EXTERNAL_ID), at);
    return values;
  }

  /** The known fields as text without blanks around it; what cannot be read as text is told, and empty. */
  private read(fields: SentFields, at: string): Map<ClaimField, string> {
    const values = new Map<ClaimField, string>();
    const twice = new Set<ClaimField>();
    for (const [name, value] of fields) {
      const field = this.fieldNamed(name);
      if (field === null) continue;
      if (values.has(field)) twice.add(field);
      const text = textOf(value);
      const fault = text === null ? 'not_text' : isStorable(text) ? null : 'unstorable_text';
      if (fault !== null) this.tellField(fault, field, at);
      values.set(field, fault === null ? (text ?? '') : UNREADABLE);
    }
    for (const field of twice) this.tellField('duplicate_field', field, at);
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

  private judge(field: LineField, value: string | undefined, at: string): void {
    if (value === UNREADABLE) return;
    if (value === undefined || value === '') {
      if (field !== 'quadrant') this.tellField('missing_field', field, at);
      return;
    }
    for (const { name, check, message } of this.rules.get(field) ?? []) {
      if (!check(value)) this.tellBreach(name, field, at, message);
    }
  }

  private takeExternalId(value: string | undefined, at: string): void {
    if (value === undefined || value === '' || value === UNREADABLE) return;
    if (Array.from(value).length > MAX_ID_CHARACTERS) this.tellField('id_too_long', EXTERNAL_ID, at);
    else if (this.externalId !== null && this.externalId !== value) {
      this.tellField('conflicting_claim_id', EXTERNAL_ID, at);
    } else this.externalId = value;
  }

  private tellField(code: FaultCode, field: ClaimField, at: string): void {
    this.tellBreach(code, field, at, DETAILS[code]);
  }

  private tellBreach(code: string, field: ClaimField, at: string, message: string): void {
    this.count(() => ({ pointer: `${at}/${field}`, code, detail: `${field} ${message}` }));
  }

  private tell(code: FaultCode, pointer: string): void {
    this.count(() => ({ pointer, code, detail: DETAILS[code] }));
  }

  private count(told: () => ProblemDetail): void {
    this.faults += 1;
    if (this.told.length < MAX_TOLD_FAULTS) this.told.push(told());
  }
}

/** In place of a value that was told to be unreadable: no text has a NUL. */
const UNREADABLE = '\0';

/** What a value says as text: a string without the blanks around it, the digits of a number. */
function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value.trim();
  // As text it is `0`, but whoever sent it wrote a sign.
  if (Object.is(value, -0)) return '-0';
  const literal = typeof value === 'number' ? String(value) : rawNumber(value);
  // Without an exponent, as neither ids nor amounts have one.
  return literal === null ? null : (parseDecimal(literal, MAX_DIGITS, MAX_DIGITS) ?? literal);
}

function totalled(lines: Map<ClaimField, string>[]): [ClaimLine[], string] {
  let total = 0n;
  const checked = lines.map((values) => {
    const [line, cents] = lineFrom((field) => values.get(field) ?? '');
    total += cents;
    return line;
  });
  return [checked, decimalOf(total)];
}

/** The line and its net fee in cents. */
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
