-- The ledger as a team would lay it out in PostgreSQL: what one update of ours writes, as tables.
-- Loaded by `compare`, which passes `accounts`: how many are opened before anything is measured.

-- The row every update of an account meets: balances, its sequence, and the counters of its day.
-- Room is left in each page, so that an update stays in it and touches no index.
create table account (
    id           bigint primary key,
    sequence     bigint not null,
    grams        bigint not null,
    points       bigint not null check (points >= 0),
    day          date   not null,
    day_entries  bigint not null,
    day_grams    bigint not null
) with (fillfactor = 70);

-- Serials that were seen, per application: a record counts once, whoever sends it again (INV-02).
create table claim (
    application  integer not null,
    serial       text    not null,
    primary key (application, serial)
);

-- The citizen's bill: one line per update, numbered without gaps per account (INV-07).
create table bill (
    account      bigint      not null,
    sequence     bigint      not null,
    application  integer     not null,
    serial       text        not null,
    kind         smallint    not null,
    grams        bigint      not null,
    points       bigint      not null,
    reference    text        not null,
    at           timestamptz not null,
    primary key (account, sequence)
);

-- What partners and subscribers are told, in the order of `id`; nothing takes rows out here, which
-- spares PostgreSQL the follower that ours has.
create table outbox (
    id           bigint generated always as identity primary key,
    application  integer not null,
    account      bigint  not null,
    sequence     bigint  not null,
    message      text    not null
);

insert into account
select id, 1, 0, 1000000, current_date, 0, 0 from generate_series(1, :accounts) as id;

-- The line every account opens with, so that the planner knows all tables as they will be.
insert into claim select 1, 'opening-' || id from account;
insert into bill
select id, 1, 1, 'opening-' || id, 0, 0, 1000000, 'opening', now() from account;
insert into outbox (application, account, sequence, message)
select 1, id, 1, 'opened' from account;
