//! Tests of the intake: the ladder of a row, replays, conflicts, what is forgotten and when; random
//! batches against a naive memory.

use std::collections::HashMap;

use carbon_protocol::behaviour::{Behaviour, Bus};
use carbon_protocol::policy::Policy;
use carbon_protocol::{AccountId, Ccid, Grams, Label, RecordRef, SceneNo};
use proptest::prelude::*;

use super::*;
use crate::machines::fixtures;

const APP: AppNo = AppNo(3);
const DAY: i64 = 86_400_000;

fn now() -> Timestamp {
    "2026-11-24T12:00:00+08:00".parse().unwrap()
}

fn policy(acceptance_days: u16) -> Policy {
    Policy { acceptance_days, correction_days: 30, ..fixtures::policy() }
}

fn serial(text: &str) -> Serial {
    Serial::parse(text).unwrap()
}

/// A good row; its content is told by `content`.
fn row(name: &str, content: u8, at: Timestamp) -> CheckedRow {
    let (line, order_no) = (Label::parse("71").unwrap(), Label::parse("o").unwrap());
    CheckedRow {
        serial: serial(name),
        digest: [content; 16],
        ccid: Ccid::parse("c").unwrap(),
        account: Some(AccountId([1; 16])),
        scene: Some(SceneNo(1)),
        behaviour: Some(Behaviour::Bus(Bus { line, boarding_time: at, order_no })),
        amends: None,
        claimed_grams: Grams(5),
        grams: Grams(5),
        priced_by: None,
        refused: None,
    }
}

fn batch(name: &str, content: u8, rows: Vec<CheckedRow>) -> IntakeCommand {
    IntakeCommand::Accept(Batch { serial: serial(name), digest: [content; 16], rows })
}

/// Plays the shell and the store: applies, checks, keeps snapshot and pages, restarts at will.
struct Desk {
    intake: Intake,
    pages: HashMap<u64, Vec<u8>>,
    now: Timestamp,
    policy: Policy,
    /// How often claims were read in pages.
    recalls: u32,
}

impl Desk {
    fn new() -> Self {
        let intake = Intake::new(Stream::Intake(APP));
        Self { intake, pages: HashMap::new(), now: now(), policy: policy(30), recalls: 0 }
    }

    fn ask(&mut self, command: &IntakeCommand) -> Result<IntakeReply, Reason> {
        let facts = Facts { now: self.now, policy: &self.policy };
        let mut ask = IntakeAsk::from(command.clone());
        let mut decision = self.intake.decide(&facts, &ask).map_err(|no| no.reason)?;
        if let IntakeReply::Recall(wanted) = &decision.reply {
            assert!(decision.events.is_empty());
            for SealedClaim { page, key } in wanted {
                let claims = decode_page(&self.pages[page]).unwrap();
                let claim = claims.into_iter().find(|claim| claim.key == *key).unwrap();
                ask.recalled.insert(*key, claim);
            }
            self.recalls += 1;
            decision = self.intake.decide(&facts, &ask).map_err(|no| no.reason)?;
            assert!(!matches!(decision.reply, IntakeReply::Recall(_)), "all of it was asked for");
        }
        for event in &decision.events {
            self.intake.apply(self.now, event);
        }
        self.intake.check().unwrap();
        self.pages.extend(self.intake.take_pages());
        Ok(decision.reply)
    }

    fn accept(&mut self, command: &IntakeCommand) -> Result<Receipt, Reason> {
        match self.ask(command)? {
            IntakeReply::Receipt(receipt) => Ok(receipt),
            other => panic!("{other:?}"),
        }
    }

    /// From snapshot and pages, as after a crash.
    fn restart(&mut self) {
        let pages: Vec<_> = self.pages.clone().into_iter().collect();
        let bytes = self.intake.snapshot();
        let restored = Intake::restore(Stream::Intake(APP), &bytes, &pages).unwrap();
        assert_eq!(restored, self.intake);
        self.intake = restored;
    }
}

fn refused(reason: Reason) -> RowVerdict {
    RowVerdict::Refused(reason)
}

#[test]
fn the_ladder_of_a_row_first_fault_wins() {
    let known = row("known", 1, now());
    let doubted = |mut row: CheckedRow| {
        row.refused = Some(Reason::GramsMismatch);
        row
    };
    let nobodys = |mut row: CheckedRow| {
        row.account = None;
        row
    };
    let nowhere = |mut row: CheckedRow| {
        row.scene = None;
        row
    };
    let at = |ms| now().plus_ms(ms);
    let table: Vec<(&str, CheckedRow, RowVerdict)> = vec![
        ("good", row("a", 1, now()), RowVerdict::Received),
        ("known", known.clone(), RowVerdict::Replayed(RecordRef { app: APP, batch: 1, row: 0 })),
        (
            "known, whatever the door says now",
            doubted(known.clone()),
            RowVerdict::Replayed(RecordRef { app: APP, batch: 1, row: 0 }),
        ),
        ("known, other content", row("known", 2, now()), refused(Reason::SerialConflict)),
        ("the door's doubt", doubted(row("b", 1, at(DAY))), refused(Reason::GramsMismatch)),
        ("nobody's", nobodys(row("c", 1, at(DAY))), refused(Reason::UnknownCcid)),
        ("nowhere", nowhere(row("d", 1, at(DAY))), refused(Reason::UnknownScene)),
        ("ahead", row("e", 1, at(241_000)), refused(Reason::InFuture)),
        ("within the tolerance", row("f", 1, at(240_000)), RowVerdict::Received),
        ("old", row("g", 1, at(-31 * DAY)), refused(Reason::TooOld)),
        ("the oldest day", row("h", 1, at(-30 * DAY)), RowVerdict::Received),
        (
            "the last moment before it",
            row("i", 1, at(-30 * DAY - DAY / 2 - 1)),
            refused(Reason::TooOld),
        ),
    ];
    for (name, row, expected) in table {
        let mut desk = Desk::new();
        desk.accept(&batch("first", 1, vec![known.clone()])).unwrap();
        let receipt = desk.accept(&batch("second", 1, vec![row])).unwrap();
        assert_eq!((receipt.batch, receipt.verdicts), (2, vec![expected]), "{name}");
    }
}

#[test]
fn a_row_that_amends_finds_its_original() {
    let amending = |name: &str, original: &str, at: Timestamp| CheckedRow {
        amends: Some(serial(original)),
        ..row(name, 9, at)
    };
    let voiding = |name: &str, original: &str| CheckedRow {
        behaviour: None,
        ..amending(name, original, now())
    };
    let mut desk = Desk::new();
    desk.accept(&batch("first", 1, vec![row("a", 1, now())])).unwrap();
    let rows = vec![
        amending("b", "a", now()),
        voiding("c", "a"),
        voiding("d", "nothing"),
        // Its own serial, or one of the same batch, is no original yet.
        voiding("e", "b"),
        CheckedRow { behaviour: None, ..row("f", 1, now()) },
    ];
    let facts = Facts { now: desk.now, policy: &desk.policy };
    let decision = desk.intake.decide(&facts, &batch("second", 2, rows.clone()).into()).unwrap();
    let IntakeEvent::BatchReceived { rows: journaled, .. } = &decision.events[0];
    let original = RecordRef { app: APP, batch: 1, row: 0 };
    for row in &journaled[..2] {
        let amends = row.amends.as_ref().unwrap();
        assert_eq!((amends.record, row.day()), (Some(original), now().day()));
    }
    let receipt = desk.accept(&batch("second", 2, rows.clone())).unwrap();
    let unknown = refused(Reason::UnknownRecord);
    let received = RowVerdict::Received;
    assert_eq!(
        receipt.verdicts,
        [received, received, unknown, unknown, refused(Reason::Malformed)]
    );
    // The same rows in another batch are replays, and a serial that amended is taken.
    let again = desk.accept(&batch("third", 3, rows[..2].to_vec())).unwrap();
    assert!(again.verdicts.iter().all(|verdict| matches!(verdict, RowVerdict::Replayed(_))));
    let taken = desk.accept(&batch("fourth", 4, vec![row("b", 1, now())])).unwrap();
    assert_eq!(taken.verdicts, [refused(Reason::SerialConflict)]);
}

#[test]
fn an_original_is_found_in_a_sealed_page() {
    let mut desk = Desk::new();
    let many = (0..600).map(|n| row(&format!("r{n}"), 1, now()));
    desk.accept(&batch("first", 1, many.collect())).unwrap();
    let void = |name: &str, original: &str| CheckedRow {
        behaviour: None,
        amends: Some(serial(original)),
        ..row(name, 9, now())
    };
    let rows = vec![void("a", "r7"), void("b", "r599"), void("c", "r600")];
    let receipt = desk.accept(&batch("second", 2, rows)).unwrap();
    let unknown = refused(Reason::UnknownRecord);
    assert_eq!(receipt.verdicts, [RowVerdict::Received, RowVerdict::Received, unknown]);
    assert_eq!(desk.recalls, 1);
}

#[test]
fn the_window_of_corrections_is_the_policys() {
    for (days, correction_days, verdict) in [
        (10, 10, RowVerdict::Received),
        (11, 10, refused(Reason::TooOld)),
        (40, 60, RowVerdict::Received),
        (61, 60, refused(Reason::TooOld)),
    ] {
        let mut desk = Desk::new();
        desk.policy.correction_days = correction_days;
        desk.accept(&batch("first", 1, vec![row("a", 1, now())])).unwrap();
        desk.now = now().plus_ms(days * DAY);
        let void = CheckedRow { behaviour: None, amends: Some(serial("a")), ..row("b", 1, now()) };
        let receipt = desk.accept(&batch("second", 2, vec![void])).unwrap();
        assert_eq!(receipt.verdicts, [verdict], "{days} days, {correction_days} allowed");
    }
}

#[test]
fn a_batch_is_accepted_once() {
    let mut desk = Desk::new();
    let rows = || vec![row("a", 1, now()), row("a", 1, now()), row("b", 1, now())];
    let first = desk.accept(&batch("x", 1, rows())).unwrap();
    let expected = [RowVerdict::Received, refused(Reason::Duplicate), RowVerdict::Received];
    assert_eq!(first.verdicts, expected);
    for _ in 0..2 {
        let again = desk.accept(&batch("x", 1, rows())).unwrap();
        assert_eq!((again.batch, again.replay), (1, true));
        assert_eq!(desk.accept(&batch("x", 2, rows())).unwrap_err(), Reason::SerialConflict);
        desk.restart();
    }
    let find = IntakeCommand::FindRecords(["a", "b", "c"].map(serial).into());
    let IntakeReply::Records(found) = desk.ask(&find).unwrap() else { panic!() };
    let rows: Vec<_> = found.iter().map(|found| found.map(|record| record.row)).collect();
    assert_eq!(rows, [Some(0), Some(2), None]);
    for (name, expected) in [("x", Some(1)), ("a", None), ("y", None)] {
        match desk.ask(&IntakeCommand::FindBatch(serial(name))).unwrap() {
            IntakeReply::Batch(found) => assert_eq!(found, expected, "{name}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_refused_rows_serial_is_free() {
    let mut desk = Desk::new();
    let mut bad = row("a", 1, now());
    bad.refused = Some(Reason::GramsMismatch);
    desk.accept(&batch("x", 1, vec![bad])).unwrap();
    let good = desk.accept(&batch("y", 1, vec![row("a", 2, now())])).unwrap();
    assert_eq!(good.verdicts, [RowVerdict::Received]);
}

#[test]
fn serials_are_forgotten_only_when_their_days_are_refused() {
    let mut desk = Desk::new();
    let many = |from: usize| {
        (from..from + 600).map(|n| row(&format!("r{n}"), 1, now())).collect::<Vec<_>>()
    };
    desk.accept(&batch("b0", 1, many(0))).unwrap();
    let first_page = desk.pages[&0].len();
    println!("{} bytes a claim in a page", first_page / claims::PAGE);
    // The last day on which they could still come: known.
    desk.now = now().plus_ms(30 * DAY);
    let last = desk.accept(&batch("b1", 1, vec![row("r7", 1, now())])).unwrap();
    assert!(matches!(last.verdicts[0], RowVerdict::Replayed(_)));
    assert_eq!(desk.recalls, 1, "its page was read, and only for it");
    // Long after: forgotten, its page is let go, and the day is refused.
    desk.now = now().plus_ms(40 * DAY);
    desk.accept(&batch("b2", 1, vec![row("new", 1, desk.now)])).unwrap();
    assert!(desk.pages[&0].is_empty(), "the page was let go");
    desk.restart();
    // Even under a policy that would accept it: it may have been credited.
    desk.policy = policy(365);
    let late = desk.accept(&batch("b3", 1, vec![row("r7", 1, now())])).unwrap();
    assert_eq!(late.verdicts, [refused(Reason::TooOld)]);
}

#[test]
fn planted_faults_are_noticed() {
    let mut desk = Desk::new();
    desk.accept(&batch("x", 1, vec![row("a", 1, now())])).unwrap();
    let facts = Facts { now: now(), policy: &policy(30) };
    let again =
        desk.intake.decide(&facts, &batch("y", 1, vec![row("b", 1, now())]).into()).unwrap();
    let IntakeEvent::BatchReceived { batch, serial, digest, remembered_days, mut rows } =
        again.events[0].clone();
    rows[0].serial = Serial::parse("a").unwrap();
    let claimed_twice =
        IntakeEvent::BatchReceived { batch, serial: serial.clone(), digest, remembered_days, rows };
    let skipped = IntakeEvent::BatchReceived {
        batch: batch + 1,
        serial,
        digest,
        remembered_days,
        rows: Vec::new(),
    };
    for event in [claimed_twice, skipped] {
        let mut intake = desk.intake.clone();
        intake.apply(now(), &event);
        assert_eq!(intake.check().unwrap_err().invariant, "INV-02");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Serials out of a small set, contents, days, restarts: never claimed twice, always as a map
    /// that forgets nothing would say, or refused as too old.
    #[test]
    fn agrees_with_a_memory_that_forgets_nothing(
        steps in prop::collection::vec(
            (
                0..6_i64,
                prop::collection::vec((0..900_u16, 0..2_u8, 0..40_i64), 1..200),
                any::<bool>(),
            ),
            1..12,
        )
    ) {
        let mut desk = Desk::new();
        let mut credited: HashMap<u16, u8> = HashMap::new();
        for (number, (days, rows, restart)) in steps.into_iter().enumerate() {
            desk.now = desk.now.plus_ms(days * DAY);
            let checked = rows
                .iter()
                .map(|(n, content, age)| {
                    row(&format!("r{n}"), *content, desk.now.plus_ms(-age * DAY))
                })
                .collect();
            let receipt = desk.accept(&batch(&format!("b{number}"), 0, checked)).unwrap();
            for ((n, content, _), verdict) in rows.iter().zip(receipt.verdicts) {
                match verdict {
                    RowVerdict::Received => {
                        prop_assert_eq!(credited.insert(*n, *content), None, "claimed twice");
                    }
                    RowVerdict::Replayed(_) => prop_assert_eq!(credited[n], *content),
                    RowVerdict::Refused(Reason::SerialConflict) => {
                        prop_assert_ne!(credited[n], *content);
                    }
                    RowVerdict::Refused(reason) => {
                        prop_assert!(matches!(reason, Reason::TooOld | Reason::Duplicate));
                    }
                }
            }
            if restart {
                desk.restart();
            }
        }
    }
}
