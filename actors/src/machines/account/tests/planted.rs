//! A predicate counts as checked only if a planted fault makes it fail: each of these states is
//! wrong in one way, and `check` names the invariant.

use super::super::PointsPlace;
use super::*;

type Fault = (&'static str, &'static str, fn() -> Desk, fn(&mut Account));

const FAULTS: &[Fault] = &[
    (
        "a balance that came from nowhere",
        "INV-01",
        || Desk::with_points(50),
        |account| {
            account.books.falsify(PointsPlace::Available, 1);
        },
    ),
    (
        "points moved without their lots",
        "INV-01",
        || Desk::with_points(50),
        |account| {
            account.books.falsify(PointsPlace::Available, -1);
            account.books.falsify(PointsPlace::Redeemed, 1);
        },
    ),
    (
        "a negative balance",
        "INV-05",
        || Desk::with_points(50),
        |account| {
            account.books.falsify(PointsPlace::Held, -1);
            account.books.falsify(PointsPlace::Available, 1);
        },
    ),
    (
        "a debt beside points that can be spent",
        "INV-05",
        || Desk::with_points(50),
        |account| {
            account.books.falsify(PointsPlace::Owed, 1);
            account.books.falsify(PointsPlace::Receivable, -1);
        },
    ),
    ("an event that did not fit", "INV-01", Desk::ready, |account| account.torn = true),
    ("a pending record twice", "INV-02", pending, |account| {
        let again = account.records.pending[0].clone();
        account.records.pending.push(again);
    }),
    ("a CCID shared by two applications", "INV-03", Desk::ready, |account| {
        let ccid = account.consents.links[0].ccid.clone();
        account.consents.links[1].ccid = ccid;
    }),
    ("two CCIDs of one application", "INV-03", Desk::ready, |account| {
        account.consents.links[1].app = account.consents.links[0].app;
    }),
    ("a scene lit without consent", "INV-04", Desk::ready, |account| {
        account.consents.scenes[0].periods[0].given.clear();
    }),
    (
        "a refund beyond what was captured",
        "INV-05",
        || {
            let mut desk = Desk::with_points(50);
            desk.order("o", "1", OrderAction::Pay, Some(5)).unwrap();
            desk
        },
        |account| account.orders.over_refund(),
    ),
    (
        "a serial with two meanings",
        "INV-09",
        || {
            let mut desk = Desk::with_points(50);
            desk.order("o", "1", OrderAction::Pay, Some(5)).unwrap();
            desk
        },
        |account| account.orders.contradict(),
    ),
    ("a trip of two applications", "INV-10", pending, |account| {
        account.records.report_again(RIVAL);
    }),
];

fn pending() -> Desk {
    let mut desk = Desk::ready();
    desk.later(HOUR);
    desk.submit(vec![ride(METRO, 1, 0, morning(), 50)]);
    desk
}

#[test]
fn every_planted_fault_is_noticed_and_named() {
    for (name, invariant, desk, plant) in FAULTS {
        let mut account = desk().account;
        account.check().unwrap_or_else(|wrong| panic!("{name}: wrong before: {wrong}"));
        plant(&mut account);
        let wrong = account.check().expect_err(name);
        assert_eq!(wrong.invariant, *invariant, "{name}: {wrong}");
    }
}

#[test]
fn bytes_that_are_no_snapshot_are_refused() {
    let desk = Desk::with_points(50);
    let snapshot = desk.account.snapshot();
    assert_eq!(Account::restore(stream(), &snapshot, &[]).as_ref(), Some(&desk.account));
    assert!(Account::restore(stream(), &[], &[]).is_none());
    assert!(Account::restore(Stream::Registry, &snapshot, &[]).is_none());
    for length in 0..snapshot.len() {
        assert!(Account::restore(stream(), &snapshot[..length], &[]).is_none(), "cut at {length}");
    }
}
