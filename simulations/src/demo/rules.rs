//! The rules INV-01 to INV-10 as the auditor sees them from outside: each one a predicate over what
//! the public interfaces answered. A test plants a fault for each and sees it found.

use std::collections::{BTreeMap, BTreeSet};

use super::report::{Checked, Invariants};

/// What was seen of one citizen, all through the public interfaces.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Points credited, by the bill (02.Z403).
    pub credited: u64,
    /// Points expired, by the bill.
    pub expired: u64,
    /// Points that can be spent (02.Z402).
    pub available: u64,
    /// Points held (02.Z402).
    pub held: u64,
    /// Whether points could be seen at all: only a mall sees them.
    pub sees_points: bool,
    /// Orders: captured, refunded, held (02.Z303's answers).
    pub orders: Vec<SeenOrder>,
    /// Grams by application: submitted and refused by the bill (01.Z502), pending and issued by
    /// the totals (01.Z501).
    pub grams: Vec<SeenGrams>,
    /// Pseudonyms seen, by application: by 4.4.5, pushes, pages and queries.
    pub ccids: BTreeMap<usize, BTreeSet<String>>,
    /// When each scene was lit (01.Z204): application, scene, from, to, consents complete.
    pub lit: Vec<SeenLit>,
}

/// An order as 02.Z303 told it last.
#[derive(Debug, Clone, Copy, Default)]
pub struct SeenOrder {
    /// Points captured in all.
    pub captured: u64,
    /// Points refunded in all.
    pub refunded: u64,
    /// Points held.
    pub held: u64,
}

/// Grams of one application.
#[derive(Debug, Clone, Copy, Default)]
pub struct SeenGrams {
    /// By the bill.
    pub submitted: u64,
    /// By the bill.
    pub refused: u64,
    /// By the totals.
    pub pending: u64,
    /// By the totals.
    pub issued: u64,
}

/// A span in which a scene was lit.
#[derive(Debug, Clone, Default)]
pub struct SeenLit {
    /// The application.
    pub app: usize,
    /// The scene's code.
    pub scene: String,
    /// From, in milliseconds.
    pub from: i64,
    /// To, in milliseconds.
    pub to: Option<i64>,
    /// Whether every consent shown names agreement, version, digest and time.
    pub consented: bool,
}

/// A record as 01.Z306 told it.
#[derive(Debug, Clone, Default)]
pub struct SeenRecord {
    /// The application.
    pub app: usize,
    /// Its serial.
    pub serial: String,
    /// Whose.
    pub citizen: usize,
    /// Its scene.
    pub scene: String,
    /// When the behaviour began and ended, in milliseconds.
    pub span: (i64, i64),
    /// Whether it was credited (submitted, pending or issued).
    pub credited: bool,
}

/// A push event as a partner's server received it.
#[derive(Debug, Clone, Default)]
pub struct SeenEvent {
    /// The application.
    pub app: usize,
    /// Its id.
    pub id: String,
    /// The pseudonym.
    pub ccid: String,
    /// Its place in the account's sequence towards the application.
    pub sequence: u64,
    /// What it said, without what may differ between tries.
    pub body: String,
}

/// A request that was sent twice under one serial.
#[derive(Debug, Clone, Default)]
pub struct SeenRepeat {
    /// Whether the content was the same.
    pub same_content: bool,
    /// Whether the second answer was the first one again.
    pub same_answer: bool,
    /// The code of the second answer.
    pub code: String,
}

/// Something that was acknowledged, and whether it was found again afterwards.
#[derive(Debug, Clone, Default)]
pub struct SeenAgain {
    /// What it was.
    pub what: String,
    /// Whether it was found, as acknowledged.
    pub found: bool,
}

/// Everything that was seen.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    /// Citizens.
    pub citizens: Vec<Seen>,
    /// Records of all applications.
    pub records: Vec<SeenRecord>,
    /// Push events, repeated deliveries included.
    pub events: Vec<SeenEvent>,
    /// Requests sent twice.
    pub repeats: Vec<SeenRepeat>,
    /// Acknowledgements looked up again.
    pub again: Vec<SeenAgain>,
    /// One trip sent by two applications: how many of the two were credited.
    pub twice_reported: Vec<u32>,
}

type Rule = (&'static str, &'static str, fn(&Sight) -> (u64, u64));

const RULES: [Rule; 10] = [
    ("INV-01", "credited = available + held + redeemed + expired; grams likewise", zero_sum),
    ("INV-02", "no serial of an application is credited twice (Z306)", credited_once),
    ("INV-03", "one pseudonym a citizen and application, shared with nobody", one_pseudonym),
    ("INV-04", "every credited record lies in a lit span with its consents (Z204)", consented),
    ("INV-05", "held is what open orders hold; refunds stay within captures", covered),
    ("INV-06", "what was acknowledged is found again", found_again),
    ("INV-07", "pushes: one content an id, sequences without a gap", pushed_in_order),
    ("INV-08", "no two events claim one place of an account's sequence", no_fork),
    ("INV-09", "a repeated serial is answered as before, other content refused", idempotent),
    ("INV-10", "a trip that two applications report counts once", one_trip),
];

/// Checks every rule.
pub fn check(sight: &Sight) -> Invariants {
    let checked: Vec<Checked> = RULES
        .iter()
        .map(|(name, how, rule)| {
            let (times, violations) = rule(sight);
            Checked { name: (*name).into(), how: (*how).into(), times, violations }
        })
        .filter(|rule| rule.times > 0)
        .collect();
    let violations = checked.iter().map(|rule| rule.violations).sum();
    Invariants { checked, violations }
}

/// How many there are, and how many of them are not as they should be.
fn count<T>(items: impl IntoIterator<Item = T>, holds: impl Fn(&T) -> bool) -> (u64, u64) {
    items
        .into_iter()
        .fold((0, 0), |(times, broken), item| (times + 1, broken + u64::from(!holds(&item))))
}

fn both(one: (u64, u64), other: (u64, u64)) -> (u64, u64) {
    (one.0 + other.0, one.1 + other.1)
}

fn redeemed(seen: &Seen) -> u64 {
    seen.orders.iter().map(|order| order.captured.saturating_sub(order.refunded)).sum()
}

fn zero_sum(sight: &Sight) -> (u64, u64) {
    let points = count(sight.citizens.iter().filter(|seen| seen.sees_points), |seen| {
        seen.credited == seen.available + seen.held + redeemed(seen) + seen.expired
    });
    let grams = count(sight.citizens.iter().flat_map(|seen| &seen.grams), |grams| {
        grams.submitted == grams.pending + grams.issued + grams.refused
    });
    both(points, grams)
}

fn credited_once(sight: &Sight) -> (u64, u64) {
    let mut credits: BTreeMap<(usize, &str), u32> = BTreeMap::new();
    for record in sight.records.iter().filter(|record| record.credited) {
        *credits.entry((record.app, &record.serial)).or_default() += 1;
    }
    count(credits.values(), |times| **times == 1)
}

fn one_pseudonym(sight: &Sight) -> (u64, u64) {
    let all = sight.citizens.iter().flat_map(|seen| seen.ccids.values());
    let per_person = count(all.clone(), |ccids| ccids.len() == 1);
    let mut owners: BTreeMap<&str, u32> = BTreeMap::new();
    for ccid in all.flatten() {
        *owners.entry(ccid).or_default() += 1;
    }
    both(per_person, count(owners.values(), |owners| **owners == 1))
}

fn consented(sight: &Sight) -> (u64, u64) {
    let spans = count(sight.citizens.iter().flat_map(|seen| &seen.lit), |lit| lit.consented);
    let records = sight.records.iter().filter(|record| record.credited);
    let covered = count(records, |record| {
        sight.citizens.get(record.citizen).is_some_and(|seen| {
            seen.lit.iter().any(|lit| {
                lit.app == record.app
                    && lit.scene == record.scene
                    && lit.from <= record.span.0
                    && lit.to.is_none_or(|to| record.span.1 <= to)
            })
        })
    });
    both(spans, covered)
}

fn covered(sight: &Sight) -> (u64, u64) {
    let held = count(sight.citizens.iter().filter(|seen| seen.sees_points), |seen| {
        seen.held == seen.orders.iter().map(|order| order.held).sum::<u64>()
    });
    let orders = sight.citizens.iter().flat_map(|seen| &seen.orders);
    both(held, count(orders, |order| order.refunded <= order.captured))
}

fn found_again(sight: &Sight) -> (u64, u64) {
    count(&sight.again, |again| again.found)
}

fn pushed_in_order(sight: &Sight) -> (u64, u64) {
    let mut bodies: BTreeMap<(usize, &str), BTreeSet<&str>> = BTreeMap::new();
    let mut places: BTreeMap<(usize, &str), BTreeSet<u64>> = BTreeMap::new();
    for event in &sight.events {
        bodies.entry((event.app, &event.id)).or_default().insert(&event.body);
        places.entry((event.app, &event.ccid)).or_default().insert(event.sequence);
    }
    let stable = count(bodies.values(), |bodies| bodies.len() == 1);
    let without_gap = count(places.values(), |places| {
        let last = places.last().copied().unwrap_or(0);
        places.first() == Some(&1) && last == places.len() as u64
    });
    both(stable, without_gap)
}

fn no_fork(sight: &Sight) -> (u64, u64) {
    let mut places: BTreeMap<(usize, &str, u64), BTreeSet<&str>> = BTreeMap::new();
    for event in &sight.events {
        places.entry((event.app, &event.ccid, event.sequence)).or_default().insert(&event.id);
    }
    count(places.values(), |ids| ids.len() == 1)
}

fn idempotent(sight: &Sight) -> (u64, u64) {
    count(&sight.repeats, |repeat| {
        if repeat.same_content { repeat.same_answer } else { repeat.code == "40901" }
    })
}

fn one_trip(sight: &Sight) -> (u64, u64) {
    count(&sight.twice_reported, |credited| **credited == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, sequence: u64) -> SeenEvent {
        SeenEvent {
            app: 0,
            id: id.into(),
            ccid: "ccid-a".into(),
            sequence,
            body: format!("body of {id}"),
        }
    }

    fn well() -> Sight {
        let seen = Seen {
            credited: 10,
            available: 5,
            held: 2,
            sees_points: true,
            orders: vec![
                SeenOrder { captured: 4, refunded: 1, held: 0 },
                SeenOrder { captured: 0, refunded: 0, held: 2 },
            ],
            grams: vec![SeenGrams { submitted: 30, refused: 5, pending: 5, issued: 20 }],
            ccids: [(0, ["ccid-a".to_owned()].into())].into(),
            lit: vec![SeenLit {
                app: 0,
                scene: "rail".into(),
                from: 100,
                to: Some(900),
                consented: true,
            }],
            ..Seen::default()
        };
        Sight {
            citizens: vec![seen],
            records: vec![SeenRecord {
                app: 0,
                serial: "r1".into(),
                citizen: 0,
                scene: "rail".into(),
                span: (200, 300),
                credited: true,
            }],
            events: vec![event("e1", 1), event("e2", 2), event("e2", 2)],
            repeats: vec![
                SeenRepeat { same_content: true, same_answer: true, code: "0".into() },
                SeenRepeat { same_content: false, same_answer: false, code: "40901".into() },
            ],
            again: vec![SeenAgain { what: "batch".into(), found: true }],
            twice_reported: vec![1],
        }
    }

    #[test]
    fn all_ten_rules_are_checked_and_hold_where_all_is_well() {
        let verdict = check(&well());
        assert_eq!(verdict.checked.len(), 10);
        assert_eq!(verdict.violations, 0, "{verdict:?}");
    }

    #[test]
    fn a_rule_that_saw_nothing_is_not_called_checked() {
        assert!(check(&Sight::default()).checked.is_empty());
    }

    #[test]
    fn a_planted_fault_breaks_exactly_its_rule() {
        type Fault = fn(&mut Sight);
        let faults: [(&str, Fault); 18] = [
            ("INV-01", |sight| sight.citizens[0].available += 1),
            ("INV-01", |sight| sight.citizens[0].expired += 1),
            ("INV-01", |sight| sight.citizens[0].grams[0].issued -= 1),
            ("INV-02", |sight| {
                let again = sight.records[0].clone();
                sight.records.push(again);
            }),
            ("INV-03", |sight| {
                sight.citizens[0].ccids.entry(0).or_default().insert("ccid-b".into());
            }),
            ("INV-03", |sight| {
                let ccids = sight.citizens[0].ccids.clone();
                sight.citizens.push(Seen { ccids, ..Seen::default() });
            }),
            ("INV-04", |sight| sight.citizens[0].lit[0].consented = false),
            ("INV-04", |sight| sight.records[0].span = (901, 950)),
            ("INV-04", |sight| sight.records[0].scene = "bus".into()),
            ("INV-05", |sight| {
                sight.citizens[0].orders[0] = SeenOrder { captured: 4, refunded: 1, held: 1 }
            }),
            ("INV-05", |sight| {
                sight.citizens[0].orders.push(SeenOrder { captured: 0, refunded: 1, held: 0 })
            }),
            ("INV-06", |sight| sight.again[0].found = false),
            ("INV-07", |sight| sight.events[2].body.push('!')),
            ("INV-07", |sight| sight.events.push(event("e4", 4))),
            ("INV-08", |sight| sight.events.push(event("e3", 2))),
            ("INV-09", |sight| sight.repeats[0].same_answer = false),
            ("INV-09", |sight| sight.repeats[1].code = "0".into()),
            ("INV-10", |sight| sight.twice_reported[0] = 2),
        ];
        for (rule, plant) in faults {
            let mut sight = well();
            plant(&mut sight);
            let broken: Vec<String> = check(&sight)
                .checked
                .into_iter()
                .filter(|checked| checked.violations > 0)
                .map(|checked| checked.name)
                .collect();
            assert_eq!(broken, [rule]);
        }
    }
}
