-- A batch of 1,000 records as one set-based statement and one transaction: the update behind Z304.
-- pgbench passes `accounts` and `run`. The rows are made in the server, which spares PostgreSQL
-- the transfer and the parsing of what a partner would send.
\set number :number + 1
\set serial ((:run * 1000 + :client_id) * 1000000 + :number) * 1000
with sent as materialized (
    select 1 as application, 'f-' || (:serial::bigint + row) as serial, row,
        1 + floor(random() * :accounts::bigint)::bigint as account, 212::bigint as grams
    from generate_series(0, 999) as row
), claimed as (
    insert into claim (application, serial) select application, serial from sent
    on conflict do nothing
    returning application, serial
), fresh as materialized (
    -- `nth` numbers the records of an account that occurs more than once in the batch.
    select sent.*, row_number() over (partition by account order by row) as nth
    from sent join claimed using (application, serial)
), total as (
    select account, count(*) as entries, sum(grams)::bigint as grams from fresh group by account
), locked as materialized (
    -- In the order of ids, so that batches beside each other wait and never deadlock.
    select id from account where id in (select account from total)
    order by id for no key update
), moved as (
    update account set
        sequence = account.sequence + total.entries,
        grams = account.grams + total.grams,
        day = current_date,
        day_entries = case when day = current_date then day_entries else 0 end + total.entries,
        day_grams = case when day = current_date then day_grams else 0 end + total.grams
    from locked join total on total.account = locked.id
    where account.id = locked.id
    returning account.id, account.sequence - total.entries as before
), entry as (
    insert into bill (account, sequence, application, serial, kind, grams, points, reference, at)
    select id, before + nth, application, serial, 1, fresh.grams, 0, 'line-' || row % 90, now()
    from moved join fresh on fresh.account = moved.id
    returning *
)
insert into outbox (application, account, sequence, message)
select application, account, sequence,
    format('{"serial":"%s","kind":"submitted","grams":%s,"at":"%s"}', serial, grams, at)
from entry;
