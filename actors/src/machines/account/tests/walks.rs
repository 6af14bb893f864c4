//! Random walks: commands in any order, repeated and reordered messages, crashes (the state is made
//! again from its events or its snapshot) between any two. After every step all invariants hold,
//! and the books agree with a naive one kept beside.

use carbon_protocol::account::{ClosedBy, LotPoints, OrderAction as A};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// One step of a walk.
#[derive(Debug, Clone)]
enum Step {
    Light(AppNo, SceneNo),
    Revoke(AppNo, SceneNo),
    Mall(bool),
    /// A new ride: application, minutes after now, grams, cap.
    Ride(AppNo, i64, u64, Option<u64>),
    /// The ride so many batches back is corrected to so many grams, or voided.
    Amend(u32, Option<u64>),
    /// The message so many places back once more.
    Again(usize),
    Issue(bool),
    Order(u8, A, Option<u64>),
    /// The serial so many places back, with the same or with other content.
    Reorder(usize, bool),
    Pass(i64),
    /// The account is closed, and opened again where the policy lets it.
    Close,
    Open,
    Replay,
    Restore,
}

fn step() -> impl Strategy<Value = Step> {
    let app = || select(vec![METRO, RIVAL]);
    let scene = || select(vec![TRIPS, BIKES]);
    let action = select(vec![A::Freeze, A::Confirm, A::Cancel, A::Pay, A::Refund]);
    prop_oneof![
        2 => (app(), scene()).prop_map(|(app, scene)| Step::Light(app, scene)),
        1 => (app(), scene()).prop_map(|(app, scene)| Step::Revoke(app, scene)),
        1 => any::<bool>().prop_map(Step::Mall),
        8 => (app(), -90..30_i64, 0..500_u64, prop::option::of(0..800_u64))
            .prop_map(|(app, minutes, grams, cap)| Step::Ride(app, minutes, grams, cap)),
        4 => (0..6_u32, prop::option::of(0..600_u64))
            .prop_map(|(back, grams)| Step::Amend(back, grams)),
        3 => (0..6_usize).prop_map(Step::Again),
        3 => any::<bool>().prop_map(Step::Issue),
        8 => (0..4_u8, action, prop::option::of(0..60_u64))
            .prop_map(|(no, action, points)| Step::Order(no, action, points)),
        2 => (0..6_usize, any::<bool>()).prop_map(|(back, same)| Step::Reorder(back, same)),
        3 => (1..600_i64).prop_map(|minutes| Step::Pass(minutes * 60_000)),
        1 => (1..40_i64).prop_map(|days| Step::Pass(days * DAY)),
        1 => Just(Step::Close),
        2 => Just(Step::Open),
        1 => Just(Step::Replay),
        1 => Just(Step::Restore),
    ]
}

/// A walker with what it has sent before.
struct Walk {
    desk: Desk,
    messages: Vec<AccountCommand>,
    orders: Vec<(OrderCommand, OrderReply)>,
    batches: u32,
    /// Who rode when, by batch.
    rides: Vec<(AppNo, u32, Timestamp)>,
    runs: u32,
}

impl Walk {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Light(app, scene) => {
                if let Ok(AccountReply::Errand(errand)) = self.desk.ask(light(*app, *scene)) {
                    let outcome = ErrandOutcome::Matched { ccid: ccid(*app), partner_uid: uid() };
                    self.desk.ask(AccountCommand::ErrandDone { errand, outcome }).unwrap();
                }
            }
            Step::Revoke(app, scene) => {
                let channel = Channel::CityApp;
                let revoke = AccountCommand::Revoke { app: *app, scene: *scene, channel };
                self.ask_unless_closed(revoke);
            }
            Step::Mall(true) => {
                let purpose = Purpose::LinkMall { app: MALL, consents: vec![consent(MALL_TEXT)] };
                if let Ok(AccountReply::Errand(errand)) =
                    self.desk.ask(AccountCommand::Begin(purpose))
                {
                    let outcome = ErrandOutcome::Matched { ccid: ccid(MALL), partner_uid: uid() };
                    self.desk.ask(AccountCommand::ErrandDone { errand, outcome }).unwrap();
                }
            }
            Step::Mall(false) => {
                let unlink = AccountCommand::UnlinkMall { app: MALL, channel: Channel::CityApp };
                self.ask_unless_closed(unlink);
            }
            Step::Ride(app, minutes, grams, cap) => {
                self.batches += 1;
                let at = self.desk.now.plus_ms(minutes * 60_000);
                self.rides.push((*app, self.batches, at));
                let row = SubmitRow {
                    daily_cap: cap.map(Grams),
                    ..ride(*app, self.batches, 0, at, *grams)
                };
                self.desk.sequence += 1;
                let id = MessageId { sequence: self.desk.sequence, item: 0 };
                self.send(AccountCommand::Submit(Submit { id, floor: 0, rows: vec![row] }));
            }
            Step::Amend(back, grams) => self.amend(*back, *grams),
            Step::Again(back) => self.repeat(*back),
            Step::Issue(exclude) => {
                self.runs += 1;
                self.desk.sequence += 1;
                let id = MessageId { sequence: self.desk.sequence, item: 0 };
                let excluded = match exclude {
                    true => vec![RecordRef { app: METRO, batch: self.batches, row: 0 }],
                    false => Vec::new(),
                };
                let (run, scenes) = (RunNo(self.runs), Vec::new());
                let through = self.desk.now.day();
                self.send(AccountCommand::Issue(Issue {
                    id,
                    floor: 0,
                    run,
                    through,
                    scenes,
                    excluded,
                }));
            }
            Step::Order(no, action, points) => self.order(*no, *action, *points),
            Step::Reorder(back, same) => self.reorder(*back, *same),
            Step::Pass(ms) => {
                self.desk.later(*ms);
                self.desk.ask(AccountCommand::Settle).unwrap();
            }
            Step::Close => {
                self.desk.ask(AccountCommand::Close(ClosedBy::Operator)).unwrap();
            }
            Step::Open => self.ask_unless_closed(open()),
            Step::Replay => {
                assert_eq!(self.desk.replayed().summary_text(), self.desk.account.summary_text())
            }
            Step::Restore => {
                let bytes = self.desk.account.snapshot();
                self.desk.account.take_pages();
                let restored = Account::restore(stream(), &bytes, &[]).unwrap();
                assert_eq!(restored, self.desk.account);
                self.desk.account = restored;
            }
        }
    }

    /// What only a closed account refuses.
    fn ask_unless_closed(&mut self, command: AccountCommand) {
        let answer = self.desk.ask(command);
        let open = self.desk.summary().open;
        assert!(answer.is_ok() == open || answer.err() == Some(Reason::AccountClosed));
    }

    fn amend(&mut self, back: u32, grams: Option<u64>) {
        let place = self.rides.len().checked_sub(back as usize + 1);
        let Some((app, batch, at)) = place.map(|place| self.rides[place]) else { return };
        self.batches += 1;
        let row = ride(app, self.batches, 0, at, grams.unwrap_or(0));
        let row = SubmitRow {
            amends: Some(RecordRef { app, batch, row: 0 }),
            behaviour: row.behaviour.filter(|_| grams.is_some()),
            ..row
        };
        self.desk.sequence += 1;
        let id = MessageId { sequence: self.desk.sequence, item: 0 };
        self.send(AccountCommand::Submit(Submit { id, floor: 0, rows: vec![row] }));
    }

    fn send(&mut self, message: AccountCommand) {
        self.desk.ask(message.clone()).unwrap();
        self.messages.push(message);
    }

    /// INV-02: whatever is repeated, however late, moves nothing.
    fn repeat(&mut self, back: usize) {
        let Some(place) = self.messages.len().checked_sub(back + 1) else { return };
        self.desk.ask(AccountCommand::Settle).unwrap();
        let before = self.desk.account.summary_text();
        let message = self.messages[place].clone();
        self.desk.ask(message).unwrap();
        assert_eq!(self.desk.account.summary_text(), before, "a repeated message moved something");
    }

    fn order(&mut self, no: u8, action: A, points: Option<u64>) {
        let serial = format!("s{}", self.orders.len());
        let command = OrderCommand {
            app: MALL,
            ccid: ccid(MALL),
            order: OrderNo::parse(&format!("o{no}")).unwrap(),
            serial: Serial::parse(&serial).unwrap(),
            action,
            points: points.map(Points),
            digest: self.orders.len() as u64,
        };
        if let Ok(AccountReply::Order(reply)) =
            self.desk.ask(AccountCommand::Order(command.clone()))
        {
            self.orders.push((command, reply));
        }
    }

    /// INV-09: the same serial and content is answered alike, other content is a conflict.
    fn reorder(&mut self, back: usize, same: bool) {
        let Some(place) = self.orders.len().checked_sub(back + 1) else { return };
        let (command, first) = self.orders[place].clone();
        let digest = if same { command.digest } else { !command.digest };
        let again = self.desk.ask(AccountCommand::Order(OrderCommand { digest, ..command }));
        match again {
            Ok(AccountReply::Order(again)) => {
                assert!(same && again.replay, "other content was answered");
                assert_eq!(again.refused, first.refused);
            }
            Err(reason) => assert!(!same && reason == Reason::SerialConflict, "{reason:?}"),
            other => panic!("{other:?}"),
        }
    }

    /// The books against the events, added up by hand.
    fn audit(&mut self) {
        let (mut submitted, mut issued, mut refused) = (0, 0, 0);
        // Issued grams since the account was opened (again), and the points that lives before left.
        let (mut living, mut points, mut left) = (0, 0, 0);
        let ratio = self.desk.policy.grams_per_point;
        let (mut pending_voided, mut issued_voided) = (0, 0);
        let mut numbers = std::collections::BTreeMap::<AppNo, Vec<u32>>::new();
        for (_, event) in &self.desk.events {
            match event {
                AccountEvent::RecordSubmitted { grams, .. } => submitted += grams.0,
                AccountEvent::RecordAmended {
                    record,
                    pending_voided: pending,
                    issued_voided: taken,
                    added,
                    notice,
                    ..
                } => {
                    submitted += added.0;
                    pending_voided += pending.0;
                    issued_voided += taken.0;
                    living -= taken.0;
                    numbers.entry(record.app).or_default().push(*notice);
                }
                AccountEvent::Issued { issued: good, refused: bad, app, notice, .. } => {
                    let grams = good.iter().map(|record| record.grams.0).sum::<u64>();
                    (issued, living) = (issued + grams, living + grams);
                    refused += bad.iter().map(|record| record.grams.0).sum::<u64>();
                    numbers.entry(*app).or_default().push(*notice);
                }
                AccountEvent::PendingRefused { record, notice, .. } => {
                    refused += record.grams.0;
                    numbers.entry(record.record.app).or_default().push(*notice);
                }
                AccountEvent::PointsCredited { lot, .. } => points += i128::from(lot.points.0),
                AccountEvent::PointsVoided { lots, owed, .. } => {
                    points -= sum(lots) + i128::from(owed.0);
                }
                AccountEvent::Closed { lots, .. } => {
                    points -= sum(lots);
                    (left, living) = (points, 0);
                }
                AccountEvent::SceneLit { app, notice, .. }
                | AccountEvent::SceneRevoked { app, notice, .. }
                | AccountEvent::MallUnlinked { app, notice, .. } => {
                    numbers.entry(*app).or_default().push(*notice);
                }
                AccountEvent::RecordRefused { record, notice, .. } => {
                    numbers.entry(record.app).or_default().push(*notice);
                }
                _ => {}
            }
        }
        let summary = self.desk.summary();
        let grams = summary.grams;
        assert_eq!(
            (grams.submitted.0, grams.issued.0, grams.refused.0),
            (submitted, issued - issued_voided, refused)
        );
        assert_eq!(grams.voided.0, pending_voided + issued_voided);
        assert_eq!(grams.pending.0, submitted - issued - refused - pending_voided);
        crate::invariants::inv01_points(&summary.points).unwrap();
        crate::invariants::inv01_grams(&grams).unwrap();
        // INV-01 over grams and points: every gram that counts is in a point or carried on, and no
        // other is, but for what is owed; a life that was closed leaves what was spent of it.
        let counting = i128::from(summary.points.issued.0)
            - i128::from(summary.points.voided.0)
            - i128::from(summary.points.owed.0);
        assert_eq!(counting, left + i128::from(living / ratio));
        assert_eq!(counting, points);
        assert!(summary.points.owed.is_zero() || summary.points.available.is_zero());
        for (app, numbers) in numbers {
            crate::invariants::inv07_no_gap(app, numbers).unwrap();
        }
    }
}

fn sum(lots: &[LotPoints]) -> i128 {
    lots.iter().map(|lot| i128::from(lot.points.0)).sum()
}

impl Account {
    /// The whole state as text, for comparisons that show what differs.
    pub(super) fn summary_text(&self) -> String {
        format!("{:#?}", self.summary())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn invariants_hold_on_every_walk(steps in prop::collection::vec(step(), 1..60)) {
        let desk = Desk::ready();
        let (messages, orders, rides) = (vec![], vec![], vec![]);
        let mut walk = Walk { desk, messages, orders, batches: 0, rides, runs: 0 };
        for step in &steps {
            walk.take(step);
        }
        walk.audit();
        prop_assert_eq!(walk.desk.replayed().summary_text(), walk.desk.account.summary_text());
    }

    #[test]
    fn snapshots_of_hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut framed = vec![1];
        framed.extend(&bytes);
        for bytes in [bytes, framed] {
            if let Some(account) = Account::restore(stream(), &bytes, &[]) {
                let _ = account.check();
            }
        }
    }
}
