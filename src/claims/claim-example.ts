import { LINE_FIELDS } from './line-fields.js';

/** A valid line, for trying out the API. */
const LINE = {
  service_date: '6/4/26 9:30',
  submitted_procedure: 'D2740',
  quadrant: 'UR',
  plan_group_number: 'GRP-7',
  subscriber_number: '4400990011',
  provider_npi: '1234567893',
  provider_fees: '$1,250.00',
  allowed_fees: '$1,175.00',
  member_coinsurance: '$35.00',
  member_copay: '$0.00',
};

const TABLE = [Object.keys(LINE), Object.values(LINE).map((cell) => (cell.includes(',') ? `"${cell}"` : cell))];

const amount = {
  oneOf: [{ type: 'string' }, { type: 'number' }],
  description:
    'at most 13 digits before the point and 2 after it, not negative; $, blanks and commas between thousands are allowed',
};
const name = { oneOf: [{ type: 'string', maxLength: 250 }, { type: 'number' }] };
const externalClaimId = {
  ...name,
  description: 'the id of the claim in your system; the claim can be sent again under it',
};

const line = {
  type: 'object',
  description: 'other spellings of the names are accepted (Plan/Group #, planGroupNumber); unknown fields are ignored',
  properties: {
    service_date: {
      type: 'string',
      description: 'M/D/YY H:MM or ISO 8601, in local time at the place of the service, at latest the end of next year',
    },
    submitted_procedure: { type: 'string', maxLength: 250, description: 'begins with D' },
    quadrant: { ...name, nullable: true },
    plan_group_number: name,
    subscriber_number: name,
    provider_npi: { ...name, description: 'exactly 10 digits' },
    provider_fees: amount,
    allowed_fees: amount,
    member_coinsurance: amount,
    member_copay: amount,
    external_claim_id: externalClaimId,
  },
  required: LINE_FIELDS.filter((field) => field !== 'quadrant'),
  additionalProperties: true,
};

const lines = { type: 'array', items: line, minItems: 1 };

const claim = {
  type: 'object',
  properties: { lines, external_claim_id: externalClaimId },
  required: ['lines'],
  additionalProperties: true,
};

/** The accepted forms of a body, each with an example that works. */
export const CLAIM_BODIES = {
  'application/json': {
    schema: { oneOf: [lines, claim, line], example: [LINE] },
    examples: {
      list: { summary: 'a list of lines', value: [LINE] },
      object: { summary: 'an object with lines', value: { external_claim_id: 'A-1001', lines: [LINE] } },
      line: { summary: 'a single line', value: LINE },
    },
  },
  'text/csv': { schema: { type: 'string', example: TABLE.map((cells) => `${cells.join(',')}\n`).join('') } },
};
