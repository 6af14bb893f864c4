-- One payment of one point, one transaction, one round trip: the ledger update of 02.Z303 PAY.
-- pgbench passes `accounts` and `run`; `number` counts within a client and makes serials unique.
\set number :number + 1
\set account random(1, :accounts)
\set serial (:run * 1000 + :client_id) * 1000000000 + :number
with fresh as (
    insert into claim (application, serial) values (1, 'p-' || :serial::bigint)
    on conflict do nothing
    returning application, serial
), moved as (
    update account set
        sequence = sequence + 1,
        points = points - 1,
        day = current_date,
        day_entries = case when day = current_date then day_entries else 0 end + 1,
        day_grams = case when day = current_date then day_grams else 0 end
    from fresh
    where id = :account::bigint and points >= 1
    returning id, account.sequence, fresh.application, fresh.serial
), entry as (
    insert into bill (account, sequence, application, serial, kind, grams, points, reference, at)
    select id, sequence, application, serial, 2, 0, -1, 'order-' || serial, now() from moved
    returning *
)
insert into outbox (application, account, sequence, message)
select application, account, sequence,
    format('{"serial":"%s","kind":"paid","points":%s,"at":"%s"}', serial, points, at)
from entry;
