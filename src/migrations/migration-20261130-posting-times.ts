import { Migration } from '@mikro-orm/migrations';

/** Gives each posting of a batch a time of its own. */
export class Migration20261130PostingTimes extends Migration {
  override up(): void {
    this.addSql(post);
  }
}

/** The largest whole number that JSON parsers read exactly: 2^53 − 1. */
const MOST = '9007199254740991';

/**
 * Posts a batch in the order of its places. First it waits for the accounts of `waits`, in their order and holding no
 * other lock; of the other accounts it locks those that are free. So two batches never wait for each other. A posting that
 * touches an account locked by another transaction comes back as busy, and nothing of it is done.
 *
 * Keys are looked up once the accounts are locked: a repeated request with the same key needs the same accounts, so the
 * first outcome is committed by then. That leaves one key under two different requests at once: the unique key fails one
 * of the batches, which is then sent again, as it is after an outage that left its outcome unknown (`again`): what the
 * ledger holds by then is answered from there.
 *
 * The time of a posting is that of the clock, or that of the last posting to one of its accounts if the clock was set back
 * since. It used to be the latest of the whole batch, so that one account with a time in the future passed it on.
 *
 * The planner is limited to indexes: a plan made while the tables were empty would otherwise scan them whole.
 */
const post = `create or replace function ledger_post(source int, postings jsonb, waits bigint[], patience_ms int, again boolean)
  returns table (place int, outcome text, balance bigint, transfer_id uuid, busy bigint) language plpgsql
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
  #variable_conflict use_column
  declare
    posting record;
    wanted bigint[];
    numbers bigint[];
    balances bigint[];
    floors bigint[];
    counts bigint[];
    counts_before bigint[];
    others bigint[] := '{}';
    clock_now timestamptz;
    moment timestamptz;
    -- When something was last posted to each account.
    moments timestamptz[];
    -- When each posting was posted, by its place.
    posted_at_of timestamptz[] := '{}';
    entry_times timestamptz[] := '{}';
    entry_accounts bigint[] := '{}';
    entry_seqs bigint[] := '{}';
    entry_transfers uuid[] := '{}';
    entry_amounts bigint[] := '{}';
    entry_balances bigint[] := '{}';
    kept_keys text[] := '{}';
    kept_requests text[] := '{}';
    kept_outcomes text[] := '{}';
    kept_balances bigint[] := '{}';
    kept_transfers uuid[] := '{}';
  begin
    if cardinality(waits) > 0 then
      perform set_config('lock_timeout', patience_ms::text, true);
      perform from ledger_account where source_id = source and number = any(waits) order by number for no key update;
    end if;

    select array_agg(distinct number) into wanted
      from jsonb_to_recordset(postings) p (payer bigint, payee bigint), unnest(array[p.payer, p.payee]) number
     where number <> 0;
    select coalesce(array_agg(number order by number), '{}'), array_agg(balance order by number),
           array_agg(-overdraft_limit order by number), array_agg(entries order by number),
           array_agg(posted_at order by number)
      into numbers, balances, floors, counts, moments
      from (select * from ledger_account where source_id = source and number = any(wanted)
             order by number for no key update skip locked) locked;
    counts_before := counts;
    -- After the locks. Milliseconds are what callers are shown.
    clock_now := date_trunc('milliseconds', clock_timestamp());
    if cardinality(numbers) < cardinality(wanted) then
      select coalesce(array_agg(number), '{}') into others from ledger_account
       where source_id = source and number = any(wanted) and number <> all(numbers);
    end if;

    for posting in
      select p.*, array_position(numbers, p.payer) as from_slot, array_position(numbers, p.payee) as to_slot,
             k.request as known_request, k.outcome as known_outcome, k.balance as known_balance, k.transfer_id as known_transfer
        from jsonb_to_recordset(postings) p (place int, id uuid, payer bigint, payee bigint, sum bigint, key text, request text)
        left join ledger_request k on k.source_id = source and k.key = p.key
       order by p.place
    loop
      place := posting.place;
      outcome := 'posted';
      balance := null;
      transfer_id := posting.id;
      busy := null;
      if posting.known_outcome is not null then
        if posting.known_request = posting.request then
          outcome := posting.known_outcome;
          balance := posting.known_balance;
          transfer_id := posting.known_transfer;
        else
          outcome := 'key_used_otherwise';
        end if;
        return next;
        continue;
      end if;

      if (posting.payer <> 0 and posting.from_slot is null and posting.payer <> all(others))
         or (posting.payee <> 0 and posting.to_slot is null and posting.payee <> all(others)) then
        outcome := 'unknown_account';
        return next;
        continue;
      end if;
      if posting.payer <> 0 and posting.from_slot is null then busy := posting.payer; end if;
      if posting.payee <> 0 and posting.to_slot is null then busy := posting.payee; end if;
      if busy is not null then
        outcome := 'busy';
        return next;
        continue;
      end if;

      if again then
        select e.balance into balance
          from ledger_transfer t
          join ledger_entry e on e.source_id = t.source_id and e.at = t.at and e.transfer_id = t.id
         where t.source_id = source and t.id = posting.id
           and e.account = case posting.payer when 0 then posting.payee else posting.payer end;
        if found then
          return next;
          continue;
        end if;
      end if;

      if balances[posting.to_slot] + posting.sum > ${MOST} then
        outcome := 'sum_beyond';
      elsif balances[posting.from_slot] - posting.sum < floors[posting.from_slot] then
        outcome := 'insufficient_funds';
      else
        if posting.from_slot is null then
          entry_seqs := array_append(entry_seqs, nextval('ledger_cash_seq'));
        else
          balances[posting.from_slot] := balances[posting.from_slot] - posting.sum;
          counts[posting.from_slot] := counts[posting.from_slot] + 1;
          entry_seqs := array_append(entry_seqs, counts[posting.from_slot]);
        end if;
        if posting.to_slot is null then
          entry_seqs := array_append(entry_seqs, nextval('ledger_cash_seq'));
        else
          balances[posting.to_slot] := balances[posting.to_slot] + posting.sum;
          counts[posting.to_slot] := counts[posting.to_slot] + 1;
          entry_seqs := array_append(entry_seqs, counts[posting.to_slot]);
        end if;
        balance := balances[coalesce(posting.from_slot, posting.to_slot)];
        -- Never before what was posted last to one of the two; what others of the batch have is no matter.
        moment := greatest(clock_now, moments[posting.from_slot], moments[posting.to_slot]);
        if posting.from_slot is not null then moments[posting.from_slot] := moment; end if;
        if posting.to_slot is not null then moments[posting.to_slot] := moment; end if;
        posted_at_of[posting.place] := moment;
        entry_times := array_append(array_append(entry_times, moment), moment);
        entry_transfers := array_append(array_append(entry_transfers, posting.id), posting.id);
        entry_accounts := array_append(array_append(entry_accounts, posting.payer), posting.payee);
        entry_amounts := array_append(array_append(entry_amounts, -posting.sum), posting.sum);
        entry_balances := array_append(
          array_append(entry_balances, balances[posting.from_slot]), balances[posting.to_slot]);
      end if;
      if posting.key is not null then
        kept_keys := array_append(kept_keys, posting.key);
        kept_requests := array_append(kept_requests, posting.request);
        kept_outcomes := array_append(kept_outcomes, outcome);
        kept_balances := array_append(kept_balances, balance);
        kept_transfers := array_append(kept_transfers, posting.id);
      end if;
      return next;
    end loop;

    if cardinality(entry_seqs) > 0 then
      insert into ledger_transfer (source_id, id, kind, amount, at, posted_by)
        select source, p.id, p.kind, p.sum, posted_at_of[p.place], p.by
          from jsonb_to_recordset(postings) p (place int, id uuid, kind text, sum bigint, by text)
         where posted_at_of[p.place] is not null;
      insert into ledger_entry (source_id, account, at, seq, transfer_id, amount, balance)
        select source, e.account, e.at, e.seq, e.transfer, e.amount, e.after
          from unnest(entry_accounts, entry_times, entry_seqs, entry_transfers, entry_amounts, entry_balances)
            e (account, at, seq, transfer, amount, after);
      update ledger_account a set balance = moved.balance, entries = moved.entries, posted_at = moved.at
        from unnest(numbers, balances, counts, counts_before, moments) moved (number, balance, entries, before, at)
       where a.source_id = source and a.number = moved.number and moved.entries > moved.before;
    end if;
    if cardinality(kept_keys) > 0 then
      -- In one order for all: batches with the same keys must not wait for each other.
      insert into ledger_request (source_id, key, request, outcome, balance, transfer_id, created)
        select source, kept.key, kept.request, kept.outcome, kept.balance, kept.transfer, clock_timestamp()
          from unnest(kept_keys, kept_requests, kept_outcomes, kept_balances, kept_transfers)
            kept (key, request, outcome, balance, transfer)
         order by kept.key collate "C";
    end if;
  end $$`;
