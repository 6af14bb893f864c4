//! Tests of the issuance desk: one run at a time, each start once, no step back.

use super::*;
use crate::machines::fixtures::policy;

#[derive(Default)]
struct Desk(Issuance, Timestamp);

fn start(serial: &str, through: i32) -> IssuanceCommand {
    let (serial, through) = (Serial::parse(serial).unwrap(), Day(through));
    IssuanceCommand::Start { serial, through, scenes: Vec::new(), excluded: Vec::new() }
}

fn advance(run: u32, through: u8) -> IssuanceCommand {
    let through = AccountId([through; 16]);
    IssuanceCommand::Advance { run: RunNo(run), through, accounts: 10 }
}

impl Desk {
    /// Run, accounts passed, whether finished, whether a replay.
    fn ask(&mut self, command: IssuanceCommand) -> Result<(u32, u64, bool, bool), Reason> {
        self.1 = self.1.plus_ms(1000);
        let facts = Facts { now: self.1, policy: &policy() };
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
            IssuanceReply::None => Ok((0, 0, false, false)),
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
    let second = IssuanceEvent::Started {
        run: RunNo(2),
        serial: Serial::parse("b").unwrap(),
        through: Day(1),
        scenes: Vec::new(),
        excluded: Vec::new(),
    };
    for event in [back, second, IssuanceEvent::Finished { run: RunNo(7) }] {
        let mut wrong = desk.0.clone();
        wrong.apply(Timestamp(0), &event);
        assert!(wrong.check().is_err(), "{event:?}");
    }
}
