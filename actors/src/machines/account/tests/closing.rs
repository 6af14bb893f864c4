//! Closing the account: everything ends in one turn, the ledger stays, and a citizen may come back
//! when the policy lets them.

use carbon_protocol::account::{ClosedBy, GramsBook, PointsBook};
use carbon_protocol::policy::{ClosingFreezes, Policy};

use super::*;

fn close() -> AccountCommand {
    AccountCommand::Close(ClosedBy::Operator)
}

fn closed(replay: bool, erase: Option<u64>) -> Result<(bool, Option<u64>), Reason> {
    Ok((replay, erase))
}

impl Desk {
    fn close(&mut self) -> Result<(bool, Option<u64>), Reason> {
        match self.ask(close())? {
            AccountReply::Closed { replay, erase } => Ok((replay, erase)),
            other => panic!("{other:?}"),
        }
    }
}

/// With 90 points to spend, 10 spent, and a ride of 500 grams that waits for issuance.
fn busy() -> Desk {
    let mut desk = Desk::with_points(100);
    desk.order("o1", "s1", OrderAction::Pay, Some(10)).unwrap();
    let row = ride(RIVAL, 900, 0, desk.now, 500);
    desk.later(HOUR);
    assert_eq!(desk.submit(vec![row]), [Ok(Grams(500))]);
    desk
}

#[test]
fn everything_ends_in_one_turn_and_the_ledger_stays() {
    let mut desk = busy();
    let before = desk.events.len();
    assert_eq!(desk.close(), closed(false, Some(1)));
    let names: Vec<String> = desk.events[before..]
        .iter()
        .map(|(_, event)| match event {
            AccountEvent::SceneRevoked { app, channel, notice, .. } => {
                assert_eq!(*channel, Channel::Operator);
                format!("revoked of {app}: {notice}")
            }
            AccountEvent::MallUnlinked { app, .. } => format!("unlinked {app}"),
            AccountEvent::PendingRefused { record, reason, notice, .. } => {
                assert_eq!(*reason, Reason::AccountClosed);
                format!("refused {} of {}: {notice}", record.grams, record.record.app)
            }
            AccountEvent::Closed { lots, .. } => format!("closed with {}", lots[0].points),
            other => panic!("{other:?}"),
        })
        .collect();
    // METRO was told of two lightings and an issuance, RIVAL of two lightings.
    let expected = [
        "revoked of 1: 4",
        "revoked of 1: 5",
        "revoked of 2: 3",
        "revoked of 2: 4",
        "unlinked 3",
        "refused 500 of 2: 5",
        "closed with 90",
    ];
    assert_eq!(names, expected);
    let summary = desk.summary();
    assert!(!summary.open && summary.closed_at == Some(desk.now));
    let (issued, voided, redeemed) = (Points(100), Points(90), Points(10));
    assert_eq!(summary.points, PointsBook { issued, voided, redeemed, ..PointsBook::default() });
    let (submitted, issued, refused) = (Grams(1500), Grams(1000), Grams(500));
    let expected = GramsBook { submitted, issued, refused, ..GramsBook::default() };
    assert_eq!(summary.grams, expected);
    assert!(summary.lots.is_empty());
    assert_eq!(desk.replayed(), desk.account);
}

#[test]
fn a_closed_account_is_asked_in_vain_and_remembers_what_it_answered() {
    let mut desk = busy();
    let paid = desk.order("o1", "s1", OrderAction::Pay, Some(10)).unwrap();
    assert!(paid.replay);
    desk.close().unwrap();
    for (name, command, expected) in [
        ("light", light(METRO, TRIPS), Reason::AccountClosed),
        (
            "revoke",
            AccountCommand::Revoke { app: METRO, scene: TRIPS, channel: Channel::CityApp },
            Reason::AccountClosed,
        ),
        ("look at the person", AccountCommand::Look(Look::Person), Reason::AccountClosed),
        ("open at once", open(), Reason::AccountClosed),
    ] {
        assert_eq!(desk.ask(command).err(), Some(expected), "{name}");
    }
    let row = ride(METRO, 901, 0, morning(), 100);
    assert_eq!(desk.submit(vec![row]), [Err(Reason::AccountClosed)]);
    // INV-09: what was answered is answered again, and a refusal is an answer, too.
    assert!(desk.order("o1", "s1", OrderAction::Pay, Some(10)).unwrap().replay);
    for replay in [false, true] {
        let refused = desk.order("o1", "s2", OrderAction::Refund, Some(10)).unwrap();
        assert_eq!((refused.replay, refused.refused), (replay, Some(Reason::AccountClosed)));
    }
    let nobody = Desk::new().close();
    assert_eq!(nobody, Err(Reason::AccountNotOpen));
}

#[test]
fn the_person_is_erased_once_and_the_slot_is_asked_for_until_then() {
    let mut desk = busy();
    assert_eq!(desk.close(), closed(false, Some(1)));
    assert_eq!(desk.close(), closed(true, Some(1)), "nobody has erased it yet");
    let settle = desk.ask(AccountCommand::Settle).unwrap();
    assert!(matches!(settle, AccountReply::Closed { erase: Some(1), .. }), "{settle:?}");
    for (slot, replay) in [(2, true), (1, false), (1, true)] {
        let erased = desk.ask(AccountCommand::Erased { slot }).unwrap();
        assert!(matches!(erased, AccountReply::Done { replay: r } if r == replay), "{slot}");
    }
    assert_eq!(desk.close(), closed(true, None));
    assert!(desk.summary().erased);
    assert_eq!(desk.replayed(), desk.account);
}

#[test]
fn open_freezes_are_dealt_with_by_policy() {
    let mut desk = Desk::with_points(100);
    desk.order("o1", "s1", OrderAction::Freeze, Some(40)).unwrap();
    desk.policy = Policy { closing_freezes: ClosingFreezes::Refuse, ..desk.policy.clone() };
    assert_eq!(desk.close(), Err(Reason::OrdersOpen));
    assert!(desk.summary().open);
    desk.policy = Policy { closing_freezes: ClosingFreezes::Release, ..desk.policy.clone() };
    desk.close().unwrap();
    let points = desk.summary().points;
    assert_eq!((points.held, points.voided), (Points(0), Points(100)));
    let late = desk.order("o1", "s2", OrderAction::Confirm, None).unwrap();
    assert_eq!(late.refused, Some(Reason::AccountClosed));
}

#[test]
fn a_citizen_comes_back_when_the_policy_lets_them() {
    let mut desk = busy();
    desk.close().unwrap();
    desk.ask(AccountCommand::Erased { slot: 1 }).unwrap();
    desk.later(29 * DAY);
    assert_eq!(desk.ask(open()).err(), Some(Reason::AccountClosed));
    desk.later(DAY);
    let AccountCommand::Open(again) = open() else { panic!() };
    let other = Did::parse("did:sh:2").unwrap();
    let stranger = AccountCommand::Open(Open { did: other, ..again.clone() });
    assert_eq!(desk.ask(stranger).err(), Some(Reason::AlreadyRegistered), "INV-03");
    let person = SealedPerson { slot: 7, bytes: vec![4] };
    desk.ask(AccountCommand::Open(Open { person, ..again })).unwrap();
    let summary = desk.summary();
    assert!(summary.open && !summary.erased && summary.closed_at.is_none());
    // What was before stays: the ledger, the pseudonyms; nothing is lit, nothing can be spent.
    assert_eq!((summary.points.voided, summary.points.available), (Points(90), Points(0)));
    assert_eq!(summary.links.len(), 3);
    assert!(summary.scenes.iter().all(|scene| scene.periods.last().unwrap().to.is_some()));
    // A late word about the first key does not erase the second.
    desk.ask(AccountCommand::Erased { slot: 1 }).unwrap();
    assert!(desk.ask(AccountCommand::Look(Look::Person)).is_ok());
    desk.errand(Purpose::Light { app: METRO, scenes: vec![(TRIPS, vec![consent(SCENE_TEXT)])] });
    desk.credit(5);
    assert_eq!(desk.summary().points.available, Points(5));
    assert_eq!(desk.replayed(), desk.account);
}
