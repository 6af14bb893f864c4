//! Corrections and voids: what becomes of pending grams, of issued ones, of points that were spent.

use carbon_protocol::account::BillKind as K;

use super::*;

const MINUTE: i64 = 60_000;

/// A row that corrects the first row of a batch.
fn correction(batch: u32, original: u32, at: Timestamp, grams: u64) -> SubmitRow {
    let original = RecordRef { app: METRO, batch: original, row: 0 };
    SubmitRow { amends: Some(original), ..ride(METRO, batch, 0, at, grams) }
}

/// A row that voids it.
fn void(batch: u32, original: u32) -> SubmitRow {
    SubmitRow { behaviour: None, ..correction(batch, original, morning(), 0) }
}

/// A ride of so many grams in batch 1, issued or not.
fn ridden(grams: u64, issued: bool) -> Desk {
    let mut desk = Desk::ready();
    desk.later(HOUR);
    assert_eq!(desk.submit(vec![ride(METRO, 1, 0, morning(), grams)]), [Ok(Grams(grams))]);
    if issued {
        desk.issue(1, desk.now.day(), Vec::new());
    }
    desk
}

/// Pending, issued and voided grams; points available, voided and owed; the remainder.
fn books(desk: &mut Desk) -> ([u64; 3], [u64; 3], u64) {
    let remainder = desk.account.remainder;
    let Summary { grams, points, .. } = desk.summary();
    (
        [grams.pending.0, grams.issued.0, grams.voided.0],
        [points.available.0, points.voided.0, points.owed.0],
        remainder,
    )
}

#[test]
fn what_a_correction_and_a_void_move() {
    type Row = (&'static str, bool, SubmitRow, u64, ([u64; 3], [u64; 3], u64));
    let by = |grams| correction(2, 1, morning(), grams);
    let rows: Vec<Row> = vec![
        ("pending, down", false, by(40), 40, ([40, 0, 55], [0, 0, 0], 0)),
        ("pending, up", false, by(100), 100, ([100, 0, 0], [0, 0, 0], 0)),
        ("pending, the same", false, by(95), 95, ([95, 0, 0], [0, 0, 0], 0)),
        ("pending, to nothing", false, by(0), 0, ([0, 0, 95], [0, 0, 0], 0)),
        ("pending, void", false, void(2, 1), 0, ([0, 0, 95], [0, 0, 0], 0)),
        ("issued, down within the remainder", true, by(92), 92, ([0, 92, 3], [9, 0, 0], 2)),
        ("issued, down to the point", true, by(90), 90, ([0, 90, 5], [9, 0, 0], 0)),
        ("issued, down", true, by(89), 89, ([0, 89, 6], [8, 1, 0], 9)),
        ("issued, far down", true, by(10), 10, ([0, 10, 85], [1, 8, 0], 0)),
        ("issued, up", true, by(120), 120, ([25, 95, 0], [9, 0, 0], 5)),
        ("issued, to nothing", true, by(0), 0, ([0, 0, 95], [0, 9, 0], 0)),
        ("issued, void", true, void(2, 1), 0, ([0, 0, 95], [0, 9, 0], 0)),
    ];
    for (name, issued, row, counts, expected) in rows {
        let mut desk = ridden(95, issued);
        assert_eq!(desk.submit(vec![row]), [Ok(Grams(counts))], "{name}");
        assert_eq!(books(&mut desk), expected, "{name}");
        assert_eq!(desk.replayed().summary_text(), desk.account.summary_text(), "{name}");
    }
}

#[test]
fn the_ladder_of_an_amendment_first_fault_wins() {
    let by = |grams| correction(2, 1, morning(), grams);
    let stranger = SubmitRow { ccid: ccid(AppNo(99)), ..by(5) };
    let unlit = correction(2, 1, morning().plus_ms(-MINUTE), 5);
    let elsewhere = SubmitRow { scene: BIKES, ..void(2, 1) };
    let late = correction(2, 1, morning().plus_ms(DAY), 5);
    let rows = [
        ("CCID", stranger, Reason::UnknownCcid),
        ("what never counted", correction(2, 9, morning(), 5), Reason::NotAmendable),
        ("another row", void(2, 7), Reason::NotAmendable),
        ("another scene", elsewhere, Reason::AmendmentMismatch),
        ("another day", late, Reason::AmendmentMismatch),
        ("before lighting", unlit, Reason::SceneNotLit),
        ("too much for a book", by(u64::MAX), Reason::OutOfRange),
    ];
    for issued in [false, true] {
        for (name, row, reason) in &rows {
            let mut desk = ridden(95, issued);
            let before = books(&mut desk);
            assert_eq!(desk.submit(vec![row.clone()]), [Err(*reason)], "{name}");
            assert_eq!(books(&mut desk), before, "{name}");
        }
    }
    let mut nobody = Desk::new();
    assert_eq!(nobody.submit(vec![by(5)]), [Err(Reason::AccountNotOpen)]);
}

#[test]
fn a_voided_record_is_voided_once_and_corrected_no_more() {
    for issued in [false, true] {
        let mut desk = ridden(95, issued);
        assert_eq!(
            desk.submit(vec![void(2, 1), void(3, 1)]),
            [Ok(Grams(0)), Err(Reason::NotAmendable)]
        );
        let again = desk.submit(vec![correction(4, 1, morning(), 5)]);
        assert_eq!(again, [Err(Reason::NotAmendable)]);
        assert_eq!(books(&mut desk).0, [0, 0, 95]);
    }
}

#[test]
fn corrections_follow_one_another_and_are_issued_in_their_turn() {
    let mut desk = ridden(95, true);
    let by = |batch, grams| correction(batch, 1, morning(), grams);
    assert_eq!(desk.submit(vec![by(2, 120)]), [Ok(Grams(120))]);
    assert_eq!(desk.submit(vec![by(3, 130)]), [Ok(Grams(130))]);
    // The correction of a correction names the first record, too.
    assert_eq!(desk.submit(vec![correction(4, 3, morning(), 5)]), [Err(Reason::NotAmendable)]);
    assert_eq!(books(&mut desk), ([35, 95, 0], [9, 0, 0], 5));
    desk.issue(2, desk.now.day(), Vec::new());
    assert_eq!(books(&mut desk), ([0, 130, 0], [13, 0, 0], 0));
    let issued = desk.events.iter().rev().find_map(|(_, event)| match event {
        AccountEvent::Issued { issued, .. } => Some(issued[0]),
        _ => None,
    });
    let issued = issued.unwrap();
    assert_eq!(issued.record, RecordRef { app: METRO, batch: 3, row: 0 });
    assert_eq!((issued.grams, issued.before), (Grams(35), Grams(95)));
    // What two runs issued is taken back whole.
    assert_eq!(desk.submit(vec![void(5, 1)]), [Ok(Grams(0))]);
    assert_eq!(books(&mut desk), ([0, 0, 130], [0, 13, 0], 0));
    assert_eq!(desk.summary().totals[0].records, 0);
}

#[test]
fn an_increase_that_the_operator_excludes_leaves_what_was_issued() {
    let mut desk = ridden(95, true);
    desk.submit(vec![correction(2, 1, morning(), 120)]);
    desk.issue(2, desk.now.day(), vec![RecordRef { app: METRO, batch: 2, row: 0 }]);
    assert_eq!(books(&mut desk), ([0, 95, 0], [9, 0, 0], 5));
    assert_eq!(desk.submit(vec![correction(3, 1, morning(), 50)]), [Ok(Grams(50))]);
    assert_eq!(books(&mut desk), ([0, 50, 45], [5, 4, 0], 0));
}

#[test]
fn spent_points_become_a_debt_that_every_credit_pays_first() {
    let mut desk = ridden(100, true);
    desk.order("o1", "1", OrderAction::Pay, Some(6)).unwrap();
    desk.order("o2", "2", OrderAction::Freeze, Some(3)).unwrap();
    // Ten were made of them: one is there, three are held, six are spent.
    assert_eq!(desk.submit(vec![void(2, 1)]), [Ok(Grams(0))]);
    assert_eq!(books(&mut desk).1, [0, 1, 9]);
    assert_eq!(
        desk.order("o3", "3", OrderAction::Pay, Some(1)).unwrap().refused,
        Some(Reason::InsufficientPoints)
    );
    // A refund pays, and the answer says that nothing is left of it.
    let refunded = desk.order("o1", "4", OrderAction::Refund, Some(2)).unwrap();
    assert_eq!((refunded.refused, refunded.available), (None, Points(0)));
    assert_eq!(books(&mut desk).1, [0, 3, 7]);
    // A released hold pays.
    desk.order("o2", "5", OrderAction::Cancel, None).unwrap();
    assert_eq!(books(&mut desk).1, [0, 6, 4]);
    // So does a credit; what is more than the debt can be spent.
    desk.credit(9);
    assert_eq!(books(&mut desk).1, [5, 10, 0]);
    let kinds: Vec<K> = bill(&mut desk).iter().map(|entry| entry.kind).take(2).collect();
    assert_eq!(kinds, [K::PointsRecovered, K::PointsCredited]);
    let book = desk.summary().points;
    crate::invariants::inv01_points(&book).unwrap();
    assert_eq!((book.issued.0, book.redeemed.0), (19, 4));
}

#[test]
fn a_hold_that_lapses_pays_too() {
    let mut desk = ridden(100, true);
    desk.order("o", "1", OrderAction::Freeze, Some(10)).unwrap();
    desk.submit(vec![void(2, 1)]);
    assert_eq!(books(&mut desk).1, [0, 0, 10]);
    desk.later(HOUR);
    assert_eq!(books(&mut desk).1, [0, 10, 0]);
}

#[test]
fn a_bill_tells_every_way_that_grams_and_points_went() {
    let mut desk = ridden(100, true);
    desk.order("o", "1", OrderAction::Pay, Some(6)).unwrap();
    desk.submit(vec![correction(2, 1, morning(), 130)]);
    desk.submit(vec![correction(3, 1, morning(), 20)]);
    let told: Vec<(K, u64, u64)> =
        bill(&mut desk).iter().map(|entry| (entry.kind, entry.grams.0, entry.points.0)).collect();
    assert_eq!(
        told[..5],
        [
            (K::PointsOwed, 0, 4),
            (K::PointsVoided, 0, 4),
            (K::IssuedVoided, 80, 0),
            (K::PendingVoided, 30, 0),
            (K::Submitted, 30, 0),
        ]
    );
}

fn bill(desk: &mut Desk) -> Vec<carbon_protocol::account::BillEntry> {
    match desk.ask(AccountCommand::Look(Look::Bill)).unwrap() {
        AccountReply::Bill(view) => view.newest,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cap_cuts_what_a_correction_adds() {
    let mut desk = ridden(60, true);
    let row = SubmitRow { daily_cap: Some(Grams(100)), ..correction(2, 1, morning(), 150) };
    assert_eq!(desk.submit(vec![row]), [Ok(Grams(100))]);
    let capped = desk.events.iter().any(|(_, event)| {
        matches!(event, AccountEvent::RecordAmended { capped: true, added: Grams(40), .. })
    });
    assert!(capped);
    // A void frees what the record used.
    desk.submit(vec![void(3, 1)]);
    let next = SubmitRow { daily_cap: Some(Grams(100)), ..ride(METRO, 4, 0, morning(), 100) };
    assert_eq!(desk.submit(vec![next]), [Ok(Grams(100))]);
}

#[test]
fn the_trip_of_a_voided_record_can_be_reported_by_the_other_partner() {
    let mut desk = ridden(60, false);
    let report = |batch, at| ride(RIVAL, batch, 0, at, 60);
    assert_eq!(desk.submit(vec![report(1, morning())]), [Err(Reason::TripAlreadyReported)]);
    let later = morning().plus_ms(10 * MINUTE);
    desk.submit(vec![correction(2, 1, later, 60)]);
    assert_eq!(desk.submit(vec![report(2, morning())]), [Ok(Grams(60))]);
    // A correction cannot take a trip that the other one has reported meanwhile.
    let back = desk.submit(vec![correction(3, 1, morning(), 60)]);
    assert_eq!(back, [Err(Reason::TripAlreadyReported)]);
    desk.submit(vec![void(4, 1)]);
    assert_eq!(desk.submit(vec![report(3, later)]), [Ok(Grams(60))]);
}

#[test]
fn what_is_past_correction_is_forgotten() {
    let mut desk = ridden(95, true);
    desk.later(40 * DAY);
    let now = desk.now;
    desk.submit(vec![ride(METRO, 2, 0, now, 5)]);
    assert_eq!(desk.submit(vec![void(3, 1)]), [Err(Reason::NotAmendable)]);
    assert_eq!(books(&mut desk).0, [5, 95, 0]);
}

#[test]
fn points_are_taken_back_at_the_price_they_were_made_at() {
    let mut desk = ridden(100, true);
    desk.policy.grams_per_point = 50;
    desk.credit(20);
    assert_eq!(books(&mut desk).1, [14, 0, 0]);
    desk.submit(vec![void(2, 1)]);
    assert_eq!(books(&mut desk).1, [4, 10, 0]);
    // However prices changed, no more is taken than was ever credited.
    let mut odd = Desk::ready();
    odd.later(HOUR);
    odd.submit(vec![ride(METRO, 1, 0, morning(), 95)]);
    odd.issue(1, odd.now.day(), Vec::new());
    odd.policy.grams_per_point = 100;
    odd.submit(vec![ride(METRO, 2, 0, morning(), 96)]);
    odd.issue(2, odd.now.day(), Vec::new());
    assert_eq!(books(&mut odd).1, [10, 0, 0]);
    odd.submit(vec![void(3, 1), void(4, 2)]);
    assert_eq!(books(&mut odd).1, [0, 10, 0]);
}
