import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE, SYSTEM_ROLE } from '../database/source-isolation.js';
import { isolateSource } from './isolate-source.js';

/** The ledger: accounts, transfers, entries, the outcomes kept under idempotency keys, and the posting of a batch. */
export class Migration20261121Accounts extends Migration {
  override up(): void {
    for (const statement of [...tables, ...TABLES.flatMap((table) => isolateSource(table)), ...rights, ...guards, post])
      this.addSql(statement);
  }
}

/** The largest whole number that JSON parsers read exactly: 2^53 − 1. */
const MOST = '9007199254740991';

const tables = [
  `create table ledger_account (
     source_id int not null references source,
     number bigint not null,
     overdraft_limit bigint not null check (overdraft_limit between 0 and ${MOST}),
     balance bigint not null default 0 check (balance between -overdraft_limit and ${MOST}),
     -- How many there are, and when the last of them was posted.
     entries bigint not null default 0,
     posted_at timestamptz not null,
     created timestamptz not null,
     created_by text not null,
     primary key (source_id, number)) with (fillfactor = 50)`,
  // Without foreign keys, which would be looked up for each row and lock the source's row: rows are written only for
  // accounts that exist.
  `create table ledger_transfer (
     source_id int not null,
     id uuid not null,
     kind text not null check (kind in ('deposit', 'withdrawal', 'transfer')),
     amount bigint not null check (amount between 1 and ${MOST}),
     at timestamptz not null,
     posted_by text not null,
     primary key (source_id, id))`,
  // Account 0 is the source's cash, the other side of deposits and withdrawals. It has no row in ledger_account, so that
  // nothing waits for its lock; its balance is the sum of its entries. An account's entries have rising times and numbers.
  `create table ledger_entry (
     source_id int not null,
     account bigint not null,
     at timestamptz not null,
     seq bigint not null,
     transfer_id uuid not null,
     amount bigint not null check (amount <> 0),
     balance bigint check ((balance is null) = (account = 0)),
     primary key (source_id, account, at, seq))`,
  `create sequence ledger_cash_seq`,
  // The outcome of each request with an Idempotency-Key.
  `create table ledger_request (
     source_id int not null,
     key text collate "C" not null,
     request text not null,
     outcome text not null,
     balance bigint,
     -- The number of the account that was opened.
     account bigint,
     transfer_id uuid,
     created timestamptz not null,
     primary key (source_id, key))`,
  `create index ledger_request_oldest on ledger_request (source_id, created)`,
];

const TABLES = ['ledger_account', 'ledger_transfer', 'ledger_entry', 'ledger_request'];

const rights = [
  `grant select, insert, update (balance, entries, posted_at) on ledger_account to ${APP_ROLE}`,
  `grant select, insert on ledger_transfer, ledger_entry, ledger_request to ${APP_ROLE}`,
  `grant usage on sequence ledger_cash_seq to ${APP_ROLE}`,
  // Keys are kept for a while only.
  `grant delete on ledger_request to ${SYSTEM_ROLE}`,
];

/** Triggers refuse changes even to users who have the right to make them. */
const guards = [
  `create function ledger_refuse() returns trigger language plpgsql as $$
   begin
     raise exception 'the ledger is append-only' using errcode = 'insufficient_privilege';
   end $$`,
  ...['ledger_transfer', 'ledger_entry'].map(
    (table) =>
      `create trigger refuse before update or delete or truncate on ${table} for each statement execute function ledger_refuse()`,
  ),
];

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
 * The planner is limited to indexes: a plan made while the tables were empty would otherwise scan them whole.
 */
const post = `create function ledger_post(source int, postings jsonb, waits bigint[], patience_ms int, again boolean)
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
    moment timestamptz;
    done int[] := '{}';
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
           array_agg(-overdraft_limit order by number), array_agg(entries order by number), max(posted_at)
      into numbers, balances, floors, counts, moment
      from (select * from ledger_account where source_id = source and number = any(wanted)
             order by number for no key update skip locked) locked;
    counts_before := counts;
    -- After the locks, and never before what was posted last. Milliseconds are what callers are shown.
    moment := greatest(moment, date_trunc('milliseconds', clock_timestamp()));
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
        done := array_append(done, posting.place);
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

    if cardinality(done) > 0 then
      insert into ledger_transfer (source_id, id, kind, amount, at, posted_by)
        select source, p.id, p.kind, p.sum, moment, p.by
          from jsonb_to_recordset(postings) p (place int, id uuid, kind text, sum bigint, by text)
         where p.place = any(done);
      insert into ledger_entry (source_id, account, at, seq, transfer_id, amount, balance)
        select source, e.account, moment, e.seq, e.transfer, e.amount, e.after
          from unnest(entry_accounts, entry_seqs, entry_transfers, entry_amounts, entry_balances)
            e (account, seq, transfer, amount, after);
      update ledger_account a set balance = moved.balance, entries = moved.entries, posted_at = moment
        from unnest(numbers, balances, counts, counts_before) moved (number, balance, entries, before)
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
