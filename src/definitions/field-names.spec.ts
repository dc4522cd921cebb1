import { describe, expect, it } from '@jest/globals';
import { allSpellingsOf } from './field-names.js';

describe('the spellings of a field', () => {
  it.each([
    ['dateOfBirth', ['date_of_birth']],
    ['date_of_birth', ['dateOfBirth']],
    ['customerID', ['customer_i_d', 'customer_id', 'customerId']],
    ['HTTPCode', ['_h_t_t_p_code', 'http_code', 'httpCode']],
    ['address_1', ['address1']],
    ['line2Text', ['line2_text']],
    ['a', []],
    ['order', []],
  ])('%s', (name, others) => {
    expect(allSpellingsOf(name)).toEqual([name, ...others]);
  });
});
