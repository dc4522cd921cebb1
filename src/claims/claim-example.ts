/** A claim that keeps all rules, for whoever tries the API out. */
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

const line = { type: 'object', additionalProperties: true };

/** What a body may be, each with an example that works. */
export const CLAIM_BODIES = {
  'application/json': { schema: { type: 'array', items: line, example: [LINE] } },
  'text/csv': { schema: { type: 'string', example: TABLE.map((cells) => `${cells.join(',')}\n`).join('') } },
};
