//! Tests of the issuance desk: one run at a time, each start once, no step back.

use super::*;
use crate::machines::fixtures::policy;
use carbon_protocol::AppNo;

#[derive(Default)]
struct Desk(Issuance, Timestamp);

fn start(serial: &str, through: i32) -> IssuanceCommand {
    let serial = Serial::parse(serial).unwrap();
    IssuanceCommand::Start { serial, scope: scope(through), by: by("li") }
}

fn scope(through: i32) -> Scope {
    Scope { through: Day(through), scenes: Vec::new(), excluded: Vec::new() }
}

fn by(name: &str) -> OperatorId {
    OperatorId::parse(name).unwrap()
}

fn prepare(serial: &str, scope: Scope, who: &str) -> IssuanceCommand {
    IssuanceCommand::Prepare { serial: Serial::parse(serial).unwrap(), scope, by: by(who) }
}

fn approve(run: u32, scenes: &[u16], excluded: &[RecordRef], who: &str) -> IssuanceCommand {
    let scenes = scenes.iter().copied().map(SceneNo).collect();
    IssuanceCommand::Approve { run: RunNo(run), scenes, excluded: excluded.to_vec(), by: by(who) }
}

fn withdraw(run: u32, who: &str) -> IssuanceCommand {
    IssuanceCommand::Withdraw { run: RunNo(run), by: by(who) }
}

fn record(row: u16) -> RecordRef {
    RecordRef { app: AppNo(1), batch: 1, row }
}

fn advance(run: u32, through: u8) -> IssuanceCommand {
    let through = AccountId([through; 16]);
    IssuanceCommand::Advance { run: RunNo(run), through, accounts: 10 }
}

impl Desk {
    /// Run, accounts passed, whether finished, whether a replay.
    fn ask(&mut self, command: IssuanceCommand) -> Result<(u32, u64, bool, bool), Reason> {
        self.ask_under(&policy(), command)
    }

    fn ask_under(
        &mut self,
        policy: &Policy,
        command: IssuanceCommand,
    ) -> Result<(u32, u64, bool, bool), Reason> {
        self.1 = self.1.plus_ms(1000);
        let facts = Facts { now: self.1, policy };
        let decision = self.0.decide(&facts, &command).map_err(|no| no.reason)?;
        decision.events.iter().for_each(|event| self.0.apply(self.1, event));
        self.0.check().unwrap();
        let again = Issuance::restore(Stream::Issuance, &self.0.snapshot(), &[]);
        assert_eq!(again.as_ref(), Some(&self.0));
        match decision.reply {
            IssuanceReply::Run(run, replay) => {
                let known = self.0.runs.iter().find(|known| known.no == run.no);
                assert_eq!(known, Some(&*run), "what is answered is what is kept");
                Ok((run.no.0, run.accounts, run.finished_at.is_some(), replay))
            }
            IssuanceReply::None | IssuanceReply::Runs(_) => Ok((0, 0, false, false)),
        }
    }
}

#[test]
fn runs_follow_each_other() {
    let mut desk = Desk::default();
    let finish = |run| IssuanceCommand::Finish { run: RunNo(run) };
    let look = |run: Option<u32>| IssuanceCommand::Look(run.map(RunNo));
    for (name, command, expected) in [
        ("nothing yet", look(None), Ok((0, 0, false, false))),
        ("a stranger advances", advance(1, 1), Ok((0, 0, false, false))),
        ("started", start("a", 5), Ok((1, 0, false, false))),
        ("again", start("a", 5), Ok((1, 0, false, true))),
        ("otherwise", start("a", 6), Err(Reason::SerialConflict)),
        ("a second one meanwhile", start("b", 6), Err(Reason::RunConflict)),
        ("on", advance(1, 3), Ok((1, 10, false, false))),
        ("the same step", advance(1, 3), Ok((1, 10, false, true))),
        ("a step back", advance(1, 2), Ok((1, 10, false, true))),
        ("on", advance(1, 9), Ok((1, 20, false, false))),
        ("finished", finish(1), Ok((1, 20, true, false))),
        ("again", finish(1), Ok((1, 20, true, true))),
        ("late step", advance(1, 10), Ok((1, 20, true, true))),
        ("the first start once more", start("a", 5), Ok((1, 20, true, true))),
        ("the next", start("b", 6), Ok((2, 0, false, false))),
        ("the newest", look(None), Ok((2, 0, false, true))),
        ("the first", look(Some(1)), Ok((1, 20, true, true))),
        ("none", look(Some(3)), Ok((0, 0, false, false))),
    ] {
        assert_eq!(desk.ask(command), expected, "{name}");
    }
}

#[test]
fn planted_faults_are_noticed() {
    let mut desk = Desk::default();
    desk.ask(start("a", 5)).unwrap();
    desk.ask(advance(1, 3)).unwrap();
    let back = IssuanceEvent::Advanced { run: RunNo(1), through: AccountId([2; 16]), accounts: 1 };
    let (serial, who) = (Serial::parse("b").unwrap(), by("li"));
    let gap = IssuanceEvent::Prepared { run: RunNo(3), serial, scope: scope(1), by: who };
    let twice = IssuanceEvent::Started { run: RunNo(1), scope: scope(1), by: by("li") };
    for event in [back, gap, twice, IssuanceEvent::Finished { run: RunNo(7) }] {
        let mut wrong = desk.0.clone();
        wrong.apply(Timestamp(0), &event);
        assert!(wrong.check().is_err(), "{event:?}");
    }
}

#[test]
fn what_one_prepares_another_approves() {
    let mut desk = Desk::default();
    let strict = Policy { four_eyes: true, ..policy() };
    let some = Scope { scenes: vec![SceneNo(1), SceneNo(2)], ..scope(5) };
    let finish = IssuanceCommand::Finish { run: RunNo(1) };
    let done = |run, finished, replay| Ok((run, 0, finished, replay));
    for (name, command, expected) in [
        ("one person alone", start("a", 5), Err(Reason::FourEyes)),
        ("prepared", prepare("a", some.clone(), "li"), done(1, false, false)),
        ("again", prepare("a", some.clone(), "li"), done(1, false, true)),
        ("for other records", prepare("a", scope(5), "li"), Err(Reason::SerialConflict)),
        ("a second waits, too", prepare("b", scope(5), "wang"), done(2, false, false)),
        ("approved by the same", approve(1, &[], &[], "li"), Err(Reason::FourEyes)),
        ("a scene it does not have", approve(1, &[3], &[], "wang"), Err(Reason::OutOfRange)),
        ("in part", approve(1, &[2], &[record(7)], "wang"), done(1, false, false)),
        ("again", approve(1, &[2], &[record(7)], "wang"), done(1, false, true)),
        ("otherwise", approve(1, &[1], &[], "wang"), Err(Reason::RunState)),
        ("another one meanwhile", approve(2, &[], &[], "li"), Err(Reason::RunConflict)),
        ("too late to withdraw", withdraw(1, "li"), Err(Reason::RunState)),
        ("finished", finish, done(1, true, false)),
        ("withdrawn", withdraw(2, "wang"), done(2, false, false)),
        ("again", withdraw(2, "wang"), done(2, false, true)),
        ("too late to approve", approve(2, &[], &[], "li"), Err(Reason::RunState)),
        ("nobody's", approve(9, &[], &[], "li"), Err(Reason::NotFound)),
    ] {
        assert_eq!(desk.ask_under(&strict, command), expected, "{name}");
    }
    let [first, second] = &desk.0.runs[..] else { panic!("{:?}", desk.0.runs) };
    assert_eq!((first.status(), second.status()), (RunStatus::Finished, RunStatus::Withdrawn));
    assert_eq!(
        first.scope,
        Scope { scenes: vec![SceneNo(2)], excluded: vec![record(7)], ..scope(5) }
    );
    assert_eq!(first.prepared_scope, some, "what was prepared stays to be seen");
    assert_eq!(first.approved.as_ref().map(|signed| &signed.by), Some(&by("wang")));
}

#[test]
fn a_run_reaches_up_to_the_end_of_a_cycle() {
    let today: Timestamp = "2026-11-24T12:00:00+08:00".parse().unwrap();
    let day = |text: &str| text.parse::<Day>().unwrap().0;
    for (cycle, through, allowed) in [
        (Cycle::Any, "2026-12-31", true),
        (Cycle::Day, "2026-11-23", true),
        (Cycle::Day, "2026-11-24", false),
        (Cycle::Month, "2026-10-31", true),
        (Cycle::Month, "2026-10-30", false),
        (Cycle::Month, "2026-11-30", false),
    ] {
        let mut desk = Desk(Issuance::default(), today);
        let policy = Policy { issuance_cycle: cycle, ..policy() };
        let prepared = desk.ask_under(&policy, prepare("a", scope(day(through)), "li"));
        let started = desk.ask_under(&policy, start("b", day(through)));
        assert_eq!((prepared.is_ok(), started.is_ok()), (allowed, allowed), "{cycle:?} {through}");
    }
}
