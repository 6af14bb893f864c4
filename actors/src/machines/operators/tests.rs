//! Tests of the operators: who is admitted to what, one key one name, every act numbered.

use super::*;
use crate::machines::fixtures::policy;

#[derive(Default)]
struct Desk(Operators, Timestamp);

fn id(text: &str) -> OperatorId {
    OperatorId::parse(text).unwrap()
}

fn enrol(name: &str, role: OperatorRole, key: u8) -> OperatorsCommand {
    OperatorsCommand::Enrol { id: id(name), role, key_sm3: [key; 32] }
}

fn rotate(name: &str, key: u8) -> OperatorsCommand {
    OperatorsCommand::Rotate { id: id(name), key_sm3: [key; 32] }
}

fn revoke(name: &str) -> OperatorsCommand {
    OperatorsCommand::Revoke { id: id(name) }
}

fn knock(shown: Shown, duty: Duty, act: bool) -> OperatorsCommand {
    let (what, request) = ("POST /admin/v1/partners".into(), "r-1".into());
    OperatorsCommand::Admit { shown, duty, act, what, request }
}

fn key(key: u8) -> Shown {
    Shown::Key([key; 32])
}

impl Desk {
    fn decide(
        &mut self,
        command: &OperatorsCommand,
    ) -> Result<(OperatorsReply, Vec<OperatorsEvent>), Rejection> {
        self.1 = self.1.plus_ms(1000);
        let facts = Facts { now: self.1, policy: &policy() };
        let decision = self.0.decide(&facts, command)?;
        decision.events.iter().for_each(|event| self.0.apply(self.1, event));
        self.0.check().unwrap();
        let again = Operators::restore(Stream::Operators, &self.0.snapshot(), &[]);
        assert_eq!(again.as_ref(), Some(&self.0));
        Ok((decision.reply, decision.events))
    }

    /// Whether it was done before, or why not.
    fn ask(&mut self, command: &OperatorsCommand) -> Result<bool, (Reason, String)> {
        match self.decide(command) {
            Ok((OperatorsReply::Done { replay }, _)) => Ok(replay),
            Ok((other, _)) => panic!("{other:?}"),
            Err(no) => Err((no.reason, no.field.unwrap_or_default())),
        }
    }

    /// Who is admitted, with the act's number; the code of the refusal otherwise.
    fn knock(&mut self, command: &OperatorsCommand) -> Result<(String, Option<u64>), &'static str> {
        match self.decide(command) {
            Ok((OperatorsReply::Admitted { operator, act }, _)) => {
                Ok((operator.to_string(), act.map(|act| act.number)))
            }
            Ok((OperatorsReply::Refused, events)) => {
                let OperatorsEvent::Acted { refused: Some(code), .. } = &events[0] else {
                    panic!("{events:?}")
                };
                assert_eq!(code, Reason::Forbidden.code());
                Err(Reason::Forbidden.code())
            }
            Ok((other, _)) => panic!("{other:?}"),
            Err(no) => Err(no.reason.code()),
        }
    }
}

#[test]
fn operators_come_change_their_key_and_go() {
    use OperatorRole::{Approver, Operator};
    let mut desk = Desk::default();
    let taken = |field: &str| Err((Reason::AlreadyRegistered, field.to_owned()));
    let unknown = || Err((Reason::NotFound, "id".to_owned()));
    for (name, command, expected) in [
        ("enrolled", enrol("li", Operator, 1), Ok(false)),
        ("again", enrol("li", Operator, 1), Ok(true)),
        ("another role", enrol("li", Approver, 1), taken("id")),
        ("another's key", enrol("wang", Approver, 1), taken("key")),
        ("the key file's name", enrol(ROOT, Approver, 2), taken("id")),
        ("another", enrol("wang", Approver, 2), Ok(false)),
        ("a new key", rotate("li", 3), Ok(false)),
        ("again", rotate("li", 3), Ok(true)),
        ("another's key", rotate("li", 2), taken("key")),
        ("nobody's", rotate("zhao", 4), unknown()),
        ("gone", revoke("li"), Ok(false)),
        ("again", revoke("li"), Ok(true)),
        ("nobody", revoke("zhao"), unknown()),
        ("a key for one who has gone", rotate("li", 5), unknown()),
        ("an id is not given again", enrol("li", Operator, 6), taken("id")),
    ] {
        assert_eq!(desk.ask(&command), expected, "{name}");
    }
}

#[test]
fn everybody_is_admitted_to_their_own_duties() {
    use Duty::{Administer, Approve, Operate, View};
    let mut desk = Desk::default();
    let roles = [
        ("viewer", OperatorRole::Viewer, &[View][..]),
        ("operator", OperatorRole::Operator, &[View, Operate]),
        ("approver", OperatorRole::Approver, &[View, Approve]),
        ("admin", OperatorRole::Administrator, &[View, Operate, Approve, Administer]),
    ];
    let mut number = 0;
    for (place, (name, role, duties)) in (1_u8..).zip(roles) {
        desk.ask(&enrol(name, role, place)).unwrap();
        for duty in [View, Operate, Approve, Administer] {
            let act = duty != View;
            let expected = if duties.contains(&duty) {
                number += u64::from(act);
                Ok((name.to_owned(), act.then_some(number)))
            } else {
                // A refusal is an act of the log, too.
                number += 1;
                Err(Reason::Forbidden.code())
            };
            assert_eq!(desk.knock(&knock(key(place), duty, act)), expected, "{name} {duty:?}");
        }
    }
    let root = desk.knock(&knock(Shown::KeyFile, Administer, true));
    assert_eq!(root, Ok((ROOT.to_owned(), Some(number + 1))));
    // Strangers, former keys and former operators are one: a bad token, and no trace.
    desk.ask(&rotate("admin", 40)).unwrap();
    desk.ask(&revoke("operator")).unwrap();
    for stranger in [99, 4, 2] {
        let refused = desk.knock(&knock(key(stranger), View, false));
        assert_eq!(refused, Err(Reason::BadToken.code()));
    }
    assert_eq!(desk.0.acts, number + 1);
    assert_eq!(desk.knock(&knock(key(40), View, false)), Ok(("admin".to_owned(), None)));
}

#[test]
fn planted_faults_are_noticed() {
    let acted = |number| OperatorsEvent::Acted {
        number,
        operator: id("li"),
        what: String::new(),
        request: String::new(),
        refused: None,
    };
    let act = ActRef { at: Timestamp(0), number: 1 };
    for event in [
        acted(2),
        OperatorsEvent::Concluded { act, about: None, outcome: "0".into() },
        OperatorsEvent::Rotated { id: id("li"), key_sm3: [1; 32] },
        OperatorsEvent::Revoked { id: id("li") },
    ] {
        let mut wrong = Operators::default();
        wrong.apply(Timestamp(0), &event);
        assert!(wrong.check().is_err(), "{event:?}");
    }
}
