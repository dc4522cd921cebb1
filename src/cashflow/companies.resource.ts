import { defineResource } from '../definitions/define-resource.js';
import { followCompanies } from './follow-companies.js';

/**
 * Companies, and the accounts that they own by their IBANs. `statedBalance` is what the source says; no answer of ours is
 * computed from it.
 */
export const companies = defineResource(
  {
    name: 'companies',
    fields: {
      name: 'text',
      owner: 'text?',
      address: 'text(1000)?',
      ibans: 'text[]',
      statedBalance: 'decimal(19,4)?',
    },
    list: { search: ['name'] },
  },
  {
    example: {
      externalId: '17',
      name: 'Tyrell Corporation',
      owner: 'Eldon Tyrell',
      address: 'Wetterhahnweg 4, 10115 Berlin',
      ibans: ['DE89370400440532013000', 'NL91ABNA0417164300'],
      statedBalance: '94921.00',
    },
    rule: {
      code: 'iban_taken',
      field: 'ibans',
      message: (iban) =>
        `IBAN ${iban} belongs to another company: to one earlier in this snapshot, or stored beside it`,
      broken: takenIbans,
    },
    follow: followCompanies,
    // What is summed up by account depends on who owns it.
    changes: ['sepa', 'swift'],
  },
);

/** One that names an IBAN which an earlier record names, or a company that the snapshot says nothing of. */
function takenIbans(staged: string, live: string): string {
  return `
    select distinct on (ordinal) ordinal, external_id, iban as value
      from (
        select s."$ordinal" as ordinal, s.external_id, iban,
               first_value(s.external_id) over (partition by iban order by s."$ordinal") as first_claim,
               owned.iban is not null as is_owned
          from ${staged} s cross join unnest(s.ibans) iban
          left join (select distinct unnest(t.ibans) as iban from ${live} t) owned using (iban)
         where not s."$rejected") claimed
     where first_claim <> external_id or is_owned
     order by ordinal, iban`;
}
