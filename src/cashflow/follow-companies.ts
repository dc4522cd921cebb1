import type { AppliedDifference, Followed, TouchedRows } from '../definitions/definition.js';
import { legsOf, monthOf } from './legs.js';
import { judgeBalances } from './liquidity/judge-balances.js';
import { addToSums, figures } from './sums.js';

/**
 * Notes who owns which account after a job on companies, and computes the sums of the accounts of all companies of which one came
 * or went: also those that stay, as transfers between accounts of one company count apart. Then judges the rules of all these companies.
 */
export async function followCompanies({ em, sourceId, view, old }: AppliedDifference): Promise<Followed> {
  await em.execute(`
    create temporary table moved_account on commit drop as
    with named as (
      select unnest(ibans) as iban from difference where "$operation" <> 'D'
      union
      select unnest(${old('ibans')}) from difference where "$operation" in ('U', 'D')
    ), owner as (
      select distinct on (iban) iban, t.external_id as company
        from ${view} t cross join unnest(t.ibans) iban
       where t.deleted_at is null and iban in (select iban from named)
       -- A row that was kept as its new version was rejected may still name what another one has now.
       order by iban, t.updated desc, t.external_id
    )
    select named.iban, kept.company as before, owner.company as after
      from named
      left join owner using (iban)
      left join cashflow_account kept on kept.iban = named.iban
     where kept.company is distinct from owner.company`);
  const [row] = await em.execute<{ moved: string }[]>('select count(*) as moved from moved_account');
  const moved = Number(row?.moved);
  const touched: TouchedRows[] = [{ table: 'cashflow_account', rows: moved }];
  if (moved > 0) {
    await em.execute(moveAccounts(sourceId));
    touched.push(...(await addToSums(em, sourceId, 'moved_sum', false)));
    await em.execute('drop table moved_sum; drop table affected');
  }
  await judgeBalances(em, sourceId, {
    companies:
      'select before from moved_account union select after from moved_account union select external_id from difference',
    isByTransactions: false,
  });
  await em.execute('drop table moved_account');
  return { touched, warnings: [] };
}

function moveAccounts(sourceId: number): string {
  return `
    create temporary table affected on commit drop as
    select iban from moved_account
    union
    select iban from cashflow_account
     where company in (select before from moved_account union select after from moved_account);
    delete from cashflow_account kept using moved_account moved where kept.iban = moved.iban;
    insert into cashflow_account (source_id, iban, company)
    select ${sourceId}, iban, after from moved_account where after is not null;
    analyze affected;
    delete from cashflow_month kept using affected where kept.source_id = ${sourceId} and kept.iban = affected.iban;
    delete from cashflow_position
     where source_id = ${sourceId} and company in (select before from moved_account union select after from moved_account);
    create temporary table moved_sum on commit drop as
    select leg.iban, ${monthOf('leg.at')} as month, leg.resource, leg.currency, leg.verdict,
           coalesce(other.company = account.company, false) as internal, ${figures()}
      from (${legsOf('affected')}) leg
      join cashflow_account account on account.iban = leg.iban
      left join cashflow_account other on other.iban = leg.counterparty
     group by leg.iban, month, leg.resource, leg.currency, leg.verdict, internal`;
}
