//! 02.Z303: every action in every state, amounts, lots, lapses, repeated serials.

use carbon_protocol::account::{LotPoints, OrderAction as A, OrderStatus as S};

use super::*;

/// What must be seen after a step: status, held, captured, refunded, available.
type Seen = (S, u64, u64, u64, u64);

/// A step upon a fresh desk with 100 points: what was done before (all on one order), the action
/// with its amount, and what must come of it.
type Row = (&'static [(A, Option<u64>)], A, Option<u64>, Result<Seen, Reason>);

const FROZEN: &[(A, Option<u64>)] = &[(A::Freeze, Some(60))];
const CONFIRMED: &[(A, Option<u64>)] = &[(A::Freeze, Some(60)), (A::Confirm, None)];
const CANCELLED: &[(A, Option<u64>)] = &[(A::Freeze, Some(60)), (A::Cancel, None)];
const PAID: &[(A, Option<u64>)] = &[(A::Pay, Some(60))];
const PARTLY: &[(A, Option<u64>)] = &[(A::Pay, Some(60)), (A::Refund, Some(20))];
const REFUNDED: &[(A, Option<u64>)] = &[(A::Pay, Some(60)), (A::Refund, None)];
const REFUSED: &[(A, Option<u64>)] = &[(A::Pay, Some(600))];

const STATE: Result<Seen, Reason> = Err(Reason::OrderState);
const RANGE: Result<Seen, Reason> = Err(Reason::OutOfRange);
const UNKNOWN: Result<Seen, Reason> = Err(Reason::UnknownOrder);
const POOR: Result<Seen, Reason> = Err(Reason::InsufficientPoints);

const TABLE: &[Row] = &[
    // Nothing before.
    (&[], A::Freeze, Some(60), Ok((S::Frozen, 60, 0, 0, 40))),
    (&[], A::Freeze, Some(100), Ok((S::Frozen, 100, 0, 0, 0))),
    (&[], A::Freeze, Some(101), POOR),
    (&[], A::Freeze, Some(u64::MAX), POOR),
    (&[], A::Freeze, Some(0), RANGE),
    (&[], A::Freeze, None, RANGE),
    (&[], A::Pay, Some(1), Ok((S::Captured, 0, 1, 0, 99))),
    (&[], A::Pay, Some(100), Ok((S::Captured, 0, 100, 0, 0))),
    (&[], A::Pay, Some(101), POOR),
    (&[], A::Pay, Some(0), RANGE),
    (&[], A::Pay, None, RANGE),
    (&[], A::Confirm, None, UNKNOWN),
    (&[], A::Confirm, Some(60), UNKNOWN),
    (&[], A::Cancel, None, UNKNOWN),
    (&[], A::Refund, None, UNKNOWN),
    (&[], A::Refund, Some(1), UNKNOWN),
    // Frozen.
    (FROZEN, A::Freeze, Some(10), STATE),
    (FROZEN, A::Pay, Some(10), STATE),
    (FROZEN, A::Confirm, None, Ok((S::Captured, 0, 60, 0, 40))),
    (FROZEN, A::Confirm, Some(60), Ok((S::Captured, 0, 60, 0, 40))),
    (FROZEN, A::Confirm, Some(59), RANGE),
    (FROZEN, A::Confirm, Some(61), RANGE),
    (FROZEN, A::Confirm, Some(0), RANGE),
    (FROZEN, A::Cancel, None, Ok((S::Cancelled, 0, 0, 0, 100))),
    (FROZEN, A::Cancel, Some(60), Ok((S::Cancelled, 0, 0, 0, 100))),
    (FROZEN, A::Cancel, Some(10), RANGE),
    (FROZEN, A::Refund, None, STATE),
    (FROZEN, A::Refund, Some(10), STATE),
    // Confirmed.
    (CONFIRMED, A::Freeze, Some(10), STATE),
    (CONFIRMED, A::Pay, Some(10), STATE),
    (CONFIRMED, A::Confirm, None, STATE),
    (CONFIRMED, A::Cancel, None, STATE),
    (CONFIRMED, A::Refund, None, Ok((S::Refunded, 0, 60, 60, 100))),
    (CONFIRMED, A::Refund, Some(60), Ok((S::Refunded, 0, 60, 60, 100))),
    (CONFIRMED, A::Refund, Some(1), Ok((S::Captured, 0, 60, 1, 41))),
    (CONFIRMED, A::Refund, Some(61), Err(Reason::RefundTooLarge)),
    (CONFIRMED, A::Refund, Some(0), RANGE),
    // Cancelled.
    (CANCELLED, A::Freeze, Some(10), STATE),
    (CANCELLED, A::Pay, Some(10), STATE),
    (CANCELLED, A::Confirm, None, STATE),
    (CANCELLED, A::Cancel, None, STATE),
    (CANCELLED, A::Refund, None, STATE),
    // Paid.
    (PAID, A::Freeze, Some(10), STATE),
    (PAID, A::Pay, Some(10), STATE),
    (PAID, A::Confirm, None, STATE),
    (PAID, A::Cancel, None, STATE),
    (PAID, A::Refund, None, Ok((S::Refunded, 0, 60, 60, 100))),
    (PAID, A::Refund, Some(20), Ok((S::Captured, 0, 60, 20, 60))),
    (PAID, A::Refund, Some(61), Err(Reason::RefundTooLarge)),
    // Refunded in part: 40 are left with the mall.
    (PARTLY, A::Refund, None, Ok((S::Refunded, 0, 60, 60, 100))),
    (PARTLY, A::Refund, Some(40), Ok((S::Refunded, 0, 60, 60, 100))),
    (PARTLY, A::Refund, Some(39), Ok((S::Captured, 0, 60, 59, 99))),
    (PARTLY, A::Refund, Some(41), Err(Reason::RefundTooLarge)),
    (PARTLY, A::Confirm, None, STATE),
    // Refunded whole.
    (REFUNDED, A::Refund, None, STATE),
    (REFUNDED, A::Refund, Some(1), STATE),
    (REFUNDED, A::Freeze, Some(10), STATE),
    (REFUNDED, A::Pay, Some(10), STATE),
    // Refused at first: there never was an order, its number can be used.
    (REFUSED, A::Freeze, Some(60), Ok((S::Frozen, 60, 0, 0, 40))),
    (REFUSED, A::Pay, Some(60), Ok((S::Captured, 0, 60, 0, 40))),
    (REFUSED, A::Confirm, None, UNKNOWN),
    (REFUSED, A::Cancel, None, UNKNOWN),
    (REFUSED, A::Refund, None, UNKNOWN),
];

fn seen(reply: &OrderReply) -> Result<Seen, Reason> {
    if let Some(reason) = reply.refused {
        return Err(reason);
    }
    let order = reply.order.as_ref().unwrap();
    let points = (order.held.0, order.captured.0, order.refunded.0);
    Ok((order.status, points.0, points.1, points.2, reply.available.0))
}

#[test]
fn every_action_in_every_state() {
    for (index, (before, action, points, expected)) in TABLE.iter().enumerate() {
        let mut desk = Desk::with_points(100);
        for (step, (action, points)) in before.iter().enumerate() {
            desk.order("o", &format!("b{step}"), *action, *points).unwrap();
        }
        let available = desk.summary().points.available;
        let reply = desk.order("o", "s", *action, *points).unwrap();
        let name = format!("row {index}: {action:?} {points:?} after {before:?}");
        assert_eq!(seen(&reply), *expected, "{name}");
        assert!(!reply.replay, "{name}");
        // The same serial again: the same answer, marked. With other content: a conflict.
        let again = desk.order("o", "s", *action, *points).unwrap();
        assert_eq!((seen(&again), again.replay), (*expected, true), "{name}, repeated");
        let other = Some(points.unwrap_or(0) ^ 1);
        let conflict = desk.order("o", "s", *action, other).unwrap_err();
        assert_eq!(conflict, Reason::SerialConflict, "{name}, other content");
        if expected.is_err() {
            assert_eq!(desk.summary().points.available, available, "{name}: nothing moved");
        }
        let replayed = desk.replayed();
        assert_eq!(replayed.summary().points, desk.summary().points, "{name}, replayed");
    }
}

#[test]
fn who_may_order() {
    let mut strange = Desk::new();
    assert_eq!(strange.order("o", "s", A::Pay, Some(1)).unwrap_err(), Reason::AccountNotOpen);
    let mut unlinked = Desk::opened();
    assert_eq!(unlinked.order("o", "s", A::Pay, Some(1)).unwrap_err(), Reason::UnknownCcid);
    let mut desk = Desk::with_points(100);
    let unlink = AccountCommand::UnlinkMall { app: MALL, channel: Channel::CityApp };
    desk.order("held", "f", A::Freeze, Some(30)).unwrap();
    desk.order("paid", "p", A::Pay, Some(20)).unwrap();
    desk.ask(unlink).unwrap();
    let refused = |reply: OrderReply| reply.refused;
    assert_eq!(
        refused(desk.order("n", "1", A::Pay, Some(1)).unwrap()),
        Some(Reason::MallNotLinked)
    );
    assert_eq!(
        refused(desk.order("n", "2", A::Freeze, Some(1)).unwrap()),
        Some(Reason::MallNotLinked)
    );
    // What was begun is ended all the same: nobody's points stay behind.
    assert_eq!(refused(desk.order("held", "3", A::Cancel, None).unwrap()), None);
    assert_eq!(refused(desk.order("paid", "4", A::Refund, None).unwrap()), None);
    assert_eq!(desk.summary().points.available, Points(100));
}

#[test]
fn points_are_spent_first_in_first_out_and_go_back_where_they_came_from() {
    let mut desk = Desk::with_points(10);
    let first = desk.summary().lots[0].expires;
    desk.later(40 * DAY);
    desk.credit(20);
    let second = desk.summary().lots[1].expires;
    assert!(first < second);
    let lots = |desk: &mut Desk| -> Vec<(Day, u64)> {
        desk.summary().lots.iter().map(|lot| (lot.expires, lot.points.0)).collect()
    };
    desk.order("o", "1", A::Pay, Some(15)).unwrap();
    assert_eq!(lots(&mut desk), [(second, 15)]);
    desk.order("o", "2", A::Refund, Some(7)).unwrap();
    assert_eq!(lots(&mut desk), [(first, 2), (second, 20)], "last taken comes back first");
    desk.order("o", "3", A::Refund, None).unwrap();
    assert_eq!(lots(&mut desk), [(first, 10), (second, 20)]);
}

#[test]
fn a_freeze_lapses_at_its_time_and_not_before() {
    for (ms, held) in [(1_799_999, true), (1_800_000, false), (10 * DAY, false)] {
        let mut desk = Desk::with_points(100);
        desk.order("o", "1", A::Freeze, Some(60)).unwrap();
        desk.later(ms);
        assert_eq!(desk.summary().points.held, Points(if held { 60 } else { 0 }), "{ms}");
        let confirmed = desk.order("o", "2", A::Confirm, None).unwrap();
        let expected = if held { Ok((S::Captured, 0, 60, 0, 40)) } else { STATE };
        assert_eq!(seen(&confirmed), expected, "{ms}");
    }
}

#[test]
fn lots_end_with_their_last_day() {
    let mut desk = Desk::with_points(100);
    let last = desk.summary().lots[0].expires;
    assert_eq!(last, "2027-11".parse::<carbon_protocol::Month>().unwrap().last_day());
    desk.now = last.plus(1).start().plus_ms(-1);
    assert_eq!(desk.summary().points.available, Points(100), "its last millisecond");
    desk.later(1);
    let points = desk.summary().points;
    assert_eq!((points.available, points.expired), (Points(0), Points(100)));
}

#[test]
fn what_a_mall_held_or_took_over_the_end_of_its_lot_is_not_lost() {
    let mut desk = Desk::with_points(100);
    let last = desk.summary().lots[0].expires;
    desk.now = last.plus(1).start().plus_ms(-HOUR);
    desk.order("paid", "1", A::Pay, Some(30)).unwrap();
    desk.now = last.plus(1).start().plus_ms(-60_000);
    desk.order("held", "2", A::Freeze, Some(20)).unwrap();
    desk.later(HOUR);
    let points = desk.summary().points;
    assert_eq!(points.expired, Points(50), "what lay in the lot");
    assert_eq!(points.available, Points(20), "the lapsed hold has a new lot");
    desk.order("paid", "3", A::Refund, None).unwrap();
    let lots = desk.summary().lots;
    let total: u64 = lots.iter().map(|lot: &LotPoints| lot.points.0).sum();
    assert_eq!(total, 50);
    assert!(lots.iter().all(|lot| lot.expires >= desk.now.day().plus(29)), "{lots:?}");
}

#[test]
fn a_bill_tells_every_movement_and_seals_pages() {
    let mut desk = Desk::with_points(1_000);
    let mut pages = Vec::new();
    for round in 0..40 {
        let no = format!("o{round}");
        desk.order(&no, &format!("f{round}"), A::Freeze, Some(3)).unwrap();
        desk.order(&no, &format!("c{round}"), A::Confirm, None).unwrap();
        pages.extend(desk.account.take_pages());
    }
    let AccountReply::Bill(bill) = desk.ask(AccountCommand::Look(Look::Bill)).unwrap() else {
        panic!("no bill")
    };
    assert_eq!(bill.sealed_pages as usize, pages.len());
    let mut numbers: Vec<u64> = bill.newest.iter().map(|entry| entry.number).collect();
    for (_, page) in pages.iter().rev() {
        let mut entries = crate::machines::account::decode_page(page).unwrap();
        entries.reverse();
        numbers.extend(entries.iter().map(|entry| entry.number));
    }
    let expected: Vec<u64> = (1..=numbers.len() as u64).rev().collect();
    assert_eq!(numbers, expected, "newest first, without a gap");
    // One submission, one issuance, one credit, and two lines an order.
    assert_eq!(numbers.len(), 3 + 80);
}
