//! Tests of the claims book: who is first, who asks again, what is forgotten.

use carbon_protocol::claims::ResourceRow;
use proptest::prelude::*;

use super::*;
use crate::machines::fixtures::policy;

const ONE: AppNo = AppNo(1);
const TWO: AppNo = AppNo(2);

#[derive(Default)]
struct Desk {
    book: Claims,
    pages: HashMap<u64, Vec<u8>>,
    today: i32,
}

fn row(serial: &str, resources: &[u128], keep_until: i32) -> ResourceRow {
    let (serial, resources) = (Serial::parse(serial).unwrap(), resources.to_vec());
    ResourceRow { serial, resources, keep_until: Day(keep_until) }
}

impl Desk {
    fn ask(&mut self, app: AppNo, rows: Vec<ResourceRow>) -> Vec<bool> {
        let now = Day(self.today).start();
        let facts = Facts { now, policy: &policy() };
        let decision = self.book.decide(&facts, &ClaimsCommand::Reserve { app, rows }).unwrap();
        decision.events.iter().for_each(|event| self.book.apply(now, event));
        self.book.check().unwrap();
        self.pages.extend(self.book.take_pages());
        let pages: Vec<_> = self.pages.clone().into_iter().collect();
        let again = Claims::restore(Stream::Claims, &self.book.snapshot(), &pages).unwrap();
        assert_eq!(again, self.book);
        decision.reply.0
    }
}

#[test]
fn the_first_record_has_it_and_keeps_it() {
    let mut desk = Desk::default();
    // Application, serial, resources, whether it has them.
    let table: &[(AppNo, &str, &[u128], bool)] = &[
        (ONE, "a", &[1, 2], true),
        (ONE, "a", &[1, 2], true),
        (ONE, "b", &[2], false),
        (TWO, "a", &[1], false),
        (TWO, "c", &[3, 2], false),
        (TWO, "d", &[3], true),
        (ONE, "e", &[], true),
        (ONE, "a", &[1, 4], true),
        (TWO, "f", &[4], false),
        (TWO, "g", &[9, 9], true),
    ];
    for (app, serial, resources, expected) in table {
        let has = desk.ask(*app, vec![row(serial, resources, 10)]);
        assert_eq!(has, [*expected], "{app} {serial} {resources:?}");
    }
}

#[test]
fn rows_of_one_batch_see_each_other() {
    let mut desk = Desk::default();
    let rows = vec![row("a", &[1], 10), row("b", &[1], 10), row("c", &[2], 10)];
    assert_eq!(desk.ask(ONE, rows), [true, false, true]);
}

#[test]
fn claims_are_forgotten_when_their_time_is_over_and_not_before() {
    let mut desk = Desk::default();
    let many: Vec<ResourceRow> =
        (0..700).map(|n| row(&format!("r{n}"), &[n as u128], 10)).collect();
    assert!(desk.ask(ONE, many).iter().all(|has| *has));
    desk.today = 10;
    assert_eq!(desk.ask(TWO, vec![row("x", &[5], 20)]), [false]);
    desk.today = 11;
    // A new claim lets the old ones go; the next one finds them gone.
    assert_eq!(desk.ask(TWO, vec![row("y", &[5_000], 20)]), [true]);
    assert_eq!(desk.ask(TWO, vec![row("x", &[5], 20)]), [true]);
    assert!(desk.pages[&0].is_empty());
}

#[test]
fn a_second_claim_is_noticed() {
    let mut desk = Desk::default();
    desk.ask(ONE, vec![row("a", &[1], 10)]);
    let claims = vec![Claim { resource: 1, owner: 2, keep_until: Day(10) }];
    desk.book.apply(Timestamp(0), &ClaimsEvent::Claimed { claims });
    assert_eq!(desk.book.check().unwrap_err().invariant, "INV-02");
}

#[test]
fn what_is_over_is_not_claimed_and_a_restart_forgets_the_same() {
    let mut desk = Desk::default();
    // Two pages; in the second, every claim but the last is over on day 11.
    let until = |n: usize| if n == 2 * PAGE - 1 { 30 } else { 10 };
    let many: Vec<ResourceRow> =
        (0..2 * PAGE).map(|n| row(&format!("r{n}"), &[n as u128], until(n))).collect();
    desk.ask(ONE, many);
    desk.today = 11;
    assert_eq!(desk.ask(TWO, vec![row("y", &[5_000], 20)]), [true], "lets the old ones go");
    assert_eq!((desk.book.pages.len(), desk.book.owners.len()), (1, 2));
    let reserved = desk.book.riding.len();
    assert_eq!(desk.ask(TWO, vec![row("late", &[6_000], 10)]), [true]);
    assert_eq!(desk.book.riding.len(), reserved, "intake will say that it is too old");
    // A resource of the page that stays, after its time: free, here and after a restart.
    assert_eq!(desk.ask(TWO, vec![row("z", &[PAGE as u128 + 1], 20)]), [true]);
    assert_eq!(desk.ask(TWO, vec![row("z", &[2 * PAGE as u128 - 1], 20)]), [false]);
}

#[derive(Debug, Clone)]
struct Asked {
    app: u16,
    serial: u8,
    from: u32,
    count: u32,
    /// Days from today until the claim may be forgotten.
    until: i32,
}

fn asked() -> impl Strategy<Value = Asked> {
    (1..4_u16, 0..200_u8, 0..600_u32, 0..40_u32, -2..20_i32)
        .prop_map(|(app, serial, from, count, until)| Asked { app, serial, from, count, until })
}

/// What a memory that forgets nothing says of a row: none where it may be either, because what
/// stands in the way is over.
fn expected(
    naive: &HashMap<u128, ((u16, u8), i32)>,
    asked: &Asked,
    today: i32,
    resources: &[u128],
) -> Option<bool> {
    let others: Vec<i32> = resources
        .iter()
        .filter_map(|one| naive.get(one))
        .filter(|(owner, _)| *owner != (asked.app, asked.serial))
        .map(|(_, until)| *until)
        .collect();
    match others.iter().max() {
        None => Some(true),
        Some(until) if *until >= today => Some(false),
        Some(_) => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Random batches over days, with rows that overlap, repeat and come too late; a restart after
    /// each (the desk compares): nobody gets what another one holds, nobody is refused what is
    /// free.
    #[test]
    fn agrees_with_a_memory_that_forgets_nothing(
        steps in prop::collection::vec((0..6_i32, prop::collection::vec(asked(), 1..40)), 1..12)
    ) {
        let mut desk = Desk::default();
        let mut naive: HashMap<u128, ((u16, u8), i32)> = HashMap::new();
        for (days, rows) in steps {
            desk.today += days;
            for one in rows {
                let resources: Vec<u128> =
                    (one.from..one.from + one.count).map(u128::from).collect();
                let until = desk.today + one.until;
                let asked = row(&format!("s{}", one.serial), &resources, until);
                let has = desk.ask(AppNo(one.app), vec![asked])[0];
                if let Some(expected) = expected(&naive, &one, desk.today, &resources) {
                    prop_assert_eq!(has, expected, "{:?} on day {}", one, desk.today);
                }
                if has && one.until >= 0 {
                    for resource in resources {
                        // Its own claim keeps the day it was made for, unless that was forgotten.
                        let known = naive.get(&resource).filter(|(_, until)| *until >= desk.today);
                        let kept = known.map_or(until, |(_, until)| *until);
                        naive.insert(resource, ((one.app, one.serial), kept));
                    }
                }
            }
        }
    }
}
