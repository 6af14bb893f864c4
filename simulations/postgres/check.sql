-- The proof after a measurement: how many accounts differ from their own bill (must be none), and
-- whether every claim has exactly one bill entry and one outbox row.
select count(*) from account left join (
    select account, count(*) as entries, max(sequence) as newest,
        sum(grams) as grams, sum(points) as points
    from bill group by account
) as booked on booked.account = account.id
where (account.sequence, account.sequence, account.grams, account.points)
    is distinct from (booked.newest, booked.entries, booked.grams, booked.points)
union all
select abs((select count(*) from claim) - (select count(*) from bill))
union all
select abs((select count(*) from outbox) - (select count(*) from bill));
