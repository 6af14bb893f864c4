//! INV-01 to INV-10: what holds always. The machines call these predicates in every build, the
//! tests and the simulation call them again.
//!
//! Each predicate takes plain values and knows no machine, so that an auditor can feed it with what
//! it saw from outside. Each one has a planted fault in the tests that makes it fail.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};

use carbon_protocol::account::{Consent, GramsBook, PointsBook};
use carbon_protocol::{AppNo, Ccid};

/// A broken invariant: a fault of ours. The actor that finds one stops and is quarantined; nothing
/// is answered on top of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which, as in `INV-05`.
    pub invariant: &'static str,
    /// What was seen. Never personal data.
    pub seen: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} broken: {}", self.invariant, self.seen)
    }
}

impl std::error::Error for Violation {}

/// What a predicate says.
pub type Verdict = Result<(), Violation>;

/// Holds, or is a violation of `invariant` with what was seen.
fn holds(invariant: &'static str, holds: bool, seen: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Violation { invariant, seen: seen() }) }
}

/// INV-01: a book's balances sum to zero, its source included (which is as negative as all that
/// was ever put in).
pub fn inv01_zero_sum<B: Copy + Debug + Into<i128>>(book: &str, balances: &[B]) -> Verdict {
    let sum: i128 = balances.iter().map(|balance| (*balance).into()).sum();
    holds("INV-01", sum == 0, || format!("the {book} book sums to {sum}: {balances:?}"))
}

/// INV-01: a balance is the sum of the things it stands for (lots, holds, pending records).
pub fn inv01_backed(what: &str, balance: i64, parts: impl IntoIterator<Item = u64>) -> Verdict {
    let sum: u128 = parts.into_iter().map(u128::from).sum();
    let backed = u128::try_from(balance).is_ok_and(|balance| balance == sum);
    holds("INV-01", backed, || format!("{what} is {balance}, its parts sum to {sum}"))
}

/// INV-01 as seen from outside, of one account or of the sums over all: issued = available + held +
/// redeemed + expired + voided.
pub fn inv01_points(book: &PointsBook) -> Verdict {
    let places = [book.available, book.held, book.redeemed, book.expired, book.voided];
    let placed: u128 = places.iter().map(|points| u128::from(points.0)).sum();
    holds("INV-01", placed == u128::from(book.issued.0), || format!("points: {book:?}"))
}

/// INV-01 as seen from outside: submitted = pending + issued + refused + voided.
pub fn inv01_grams(book: &GramsBook) -> Verdict {
    let places = [book.pending, book.issued, book.refused, book.voided];
    let placed: u128 = places.iter().map(|grams| u128::from(grams.0)).sum();
    holds("INV-01", placed == u128::from(book.submitted.0), || format!("grams: {book:?}"))
}

/// INV-02: nothing is counted twice (record references, or (application, serial) pairs).
pub fn inv02_once<K: Ord + Debug>(counted: impl IntoIterator<Item = K>) -> Verdict {
    // Checked at every turn of an account: what comes in order is sorted in one pass.
    let mut counted: Vec<K> = counted.into_iter().collect();
    counted.sort_unstable();
    let twice = counted.windows(2).find(|pair| pair[0] == pair[1]);
    holds("INV-02", twice.is_none(), || format!("{:?} is counted twice", twice.map(|of| &of[0])))
}

/// INV-03: one CCID per application, and no CCID of two applications, for one person.
pub fn inv03_one_ccid<'c>(links: impl IntoIterator<Item = (AppNo, &'c Ccid)>) -> Verdict {
    let mut links: Vec<(AppNo, &Ccid)> = links.into_iter().collect();
    links.sort_unstable_by_key(|(app, _)| *app);
    let second = links.windows(2).find(|pair| pair[0].0 == pair[1].0).map(|pair| pair[0].0);
    links.sort_unstable_by_key(|(_, ccid)| *ccid);
    let shared = links.windows(2).find(|pair| pair[0].1 == pair[1].1).map(|pair| pair[0].0);
    let found = second.or(shared);
    holds("INV-03", found.is_none(), || format!("{found:?} has a second or a shared CCID"))
}

/// INV-03 over all accounts: no person has two accounts, no account two persons.
pub fn inv03_one_account<A, P>(openings: impl IntoIterator<Item = (A, P)>) -> Verdict
where
    A: Ord + Debug + Clone,
    P: Ord,
{
    // Persons are told apart by the number of their first appearance: their ids are not shown.
    let (mut persons, mut accounts) = (BTreeMap::new(), BTreeMap::new());
    for (number, (account, person)) in openings.into_iter().enumerate() {
        let (person, theirs) = persons.entry(person).or_insert((number, account.clone()));
        let same =
            *theirs == account && accounts.entry(account.clone()).or_insert(*person) == person;
        holds("INV-03", same, || format!("{account:?} is not the one account of its person"))?;
    }
    Ok(())
}

/// INV-04: what is lit was consented to.
pub fn inv04_consented(what: impl Debug, consents: usize) -> Verdict {
    holds("INV-04", consents > 0, || format!("{what:?} is lit without a consent"))
}

/// INV-04: a consent says what was shown: a text that the registry has published, whose entry in
/// the journal holds id, version and SM3.
pub fn inv04_consent(consent: &Consent, published: usize) -> Verdict {
    let shown = (1..=published).contains(&usize::from(consent.text.0));
    holds("INV-04", shown, || format!("a consent names text {}, of {published}", consent.text))
}

/// INV-04: an accepted record's behaviour took place while its scene was lit.
pub fn inv04_lit(record: impl Debug, lit: bool) -> Verdict {
    holds("INV-04", lit, || format!("{record:?} was accepted while its scene was not lit"))
}

/// INV-05: a balance is never negative.
pub fn inv05_not_negative(what: &str, balance: i64) -> Verdict {
    holds("INV-05", balance >= 0, || format!("{what} is {balance}"))
}

/// INV-05: an order captures no more than was held, and refunds no more than it captured.
pub fn inv05_order(order: impl Debug, held: u64, captured: u64, refunded: u64) -> Verdict {
    let bounded = captured <= held && refunded <= captured;
    holds("INV-05", bounded, || {
        format!("order {order:?}: {held} held, {captured} captured, {refunded} refunded")
    })
}

/// INV-06: what was acknowledged is still there.
pub fn inv06_kept<K: Ord + Debug>(
    acknowledged: impl IntoIterator<Item = K>,
    there: &BTreeSet<K>,
) -> Verdict {
    let lost: Vec<K> = acknowledged.into_iter().filter(|key| !there.contains(key)).collect();
    holds("INV-06", lost.is_empty(), || format!("acknowledged and lost: {lost:?}"))
}

/// INV-07: one application's sequence of one account counts from 1 without a gap. A repeated number
/// is the same event again and must be filtered by event id before.
pub fn inv07_no_gap(app: AppNo, sequence: impl IntoIterator<Item = u32>) -> Verdict {
    for (expected, seen) in (1..).zip(sequence) {
        holds("INV-07", seen == expected, || {
            format!("application {app} got number {seen} where {expected} was due")
        })?;
    }
    Ok(())
}

/// INV-08: a stream has one writer: versions count up by one, epochs never go back.
pub fn inv08_one_writer(stream: impl Debug, before: (u64, u32), after: (u64, u32)) -> Verdict {
    let follows = after.0 == before.0 + 1 && after.1 >= before.1;
    holds("INV-08", follows, || format!("{stream:?}: {after:?} (version, epoch) after {before:?}"))
}

/// INV-09: an idempotency key has one meaning.
pub fn inv09_one_meaning<K, D>(uses: impl IntoIterator<Item = (K, D)>) -> Verdict
where
    K: Ord + Debug,
    D: Eq,
{
    let mut uses: Vec<(K, D)> = uses.into_iter().collect();
    uses.sort_by(|(a, _), (b, _)| a.cmp(b));
    let odd = uses.windows(2).find(|pair| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1);
    holds("INV-09", odd.is_none(), || {
        format!("{:?} was accepted with two meanings", odd.map(|pair| &pair[0].0))
    })
}

/// A trip as INV-10 compares it: the kind of behaviour, who reported it, from and to.
pub type TripSpan<K> = (K, AppNo, i64, i64);

/// Whether two spans are the same stretch of time, whole or in part. A span without length is
/// compared by its start.
pub fn overlap(a: (i64, i64), b: (i64, i64)) -> bool {
    a.0 == b.0 || (a.0 < b.1 && b.0 < a.1)
}

/// INV-10: no two applications have a trip of one kind at the same time counted.
pub fn inv10_one_report<K: PartialEq + Copy>(trips: &[TripSpan<K>]) -> Verdict {
    let mut in_order: Vec<&TripSpan<K>> = trips.iter().collect();
    in_order.sort_by_key(|trip| trip.2);
    for (index, a) in in_order.iter().enumerate() {
        // Whatever begins after this one's end cannot meet it, nor can anything behind that.
        let near = in_order[index + 1..].iter().take_while(|b| b.2 == a.2 || b.2 < a.3);
        for b in near {
            let twice = a.0 == b.0 && a.1 != b.1 && overlap((a.2, a.3), (b.2, b.3));
            holds("INV-10", !twice, || {
                format!("one trip at {} counts for applications {} and {}", a.2, a.1, b.1)
            })?;
        }
    }
    Ok(())
}
