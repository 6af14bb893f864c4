//! The operators machine: who may operate the platform, and the audit log: every act is journaled
//! before it is begun, and once more when it has ended.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use carbon_protocol::entry::Stream;
use carbon_protocol::operators::{
    ActRef, Duty, Operator, OperatorRole, OperatorsCommand, OperatorsEvent, OperatorsReply, Shown,
};
use carbon_protocol::{OperatorId, Reason, Rejection, Timestamp};
use serde::{Deserialize, Serialize};

use crate::invariants::Violation;
use crate::machines::{Decision, Facts, Machine, encoding};

/// The format of an encoded state.
const SNAPSHOT_FORMAT: u8 = 1;
/// The name of whoever shows the platform's key file. Nobody can be enrolled under it.
pub const ROOT: &str = "root";
/// Most operators, those included who were revoked.
const OPERATORS: usize = 10_000;

/// All operators there ever were, and how many acts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Operators {
    operators: BTreeMap<OperatorId, Operator>,
    /// The number of the last act.
    acts: u64,
    torn: bool,
}

type Decided = Result<Decision<Operators>, Rejection>;

fn done(event: Option<OperatorsEvent>) -> Decided {
    let reply = OperatorsReply::Done { replay: event.is_none() };
    Ok(Decision { events: event.into_iter().collect(), reply })
}

fn refused(reason: Reason, field: &str) -> Decided {
    Err(Rejection::of_field(reason, field))
}

impl Operators {
    /// Who shows this, with what they are trusted with.
    fn known(&self, shown: &Shown) -> Option<(OperatorId, OperatorRole)> {
        match shown {
            Shown::KeyFile => {
                OperatorId::parse(ROOT).ok().map(|root| (root, OperatorRole::Administrator))
            }
            Shown::Key(sm3) => {
                let mut in_office = self.operators.values().filter(|one| !one.revoked);
                // Digests of random keys: whoever can choose one that compares equal has the key.
                let found = in_office.find(|operator| operator.key_sm3 == *sm3)?;
                Some((found.id.clone(), found.role))
            }
        }
    }

    fn admit(
        &self,
        now: Timestamp,
        shown: &Shown,
        (duty, act): (Duty, bool),
        what: &str,
        request: &str,
    ) -> Decided {
        // Strangers leave no trace here: whoever likes could fill the journal.
        let (operator, role) = self.known(shown).ok_or(Reason::BadToken)?;
        let number = self.acts.saturating_add(1);
        let acted = |refused: Option<String>| OperatorsEvent::Acted {
            number,
            operator: operator.clone(),
            what: what.to_owned(),
            request: request.to_owned(),
            refused,
        };
        if !role.may(duty) {
            let events = vec![acted(Some(Reason::Forbidden.code().into()))];
            return Ok(Decision { events, reply: OperatorsReply::Refused });
        }
        let events = if act { vec![acted(None)] } else { Vec::new() };
        let act = act.then_some(ActRef { at: now, number });
        Ok(Decision { events, reply: OperatorsReply::Admitted { operator, act } })
    }

    fn enrol(&self, id: &OperatorId, role: OperatorRole, key_sm3: &[u8; 32]) -> Decided {
        match self.operators.get(id) {
            Some(known) if known.role == role && known.key_sm3 == *key_sm3 && !known.revoked => {
                return done(None);
            }
            Some(_) => return refused(Reason::AlreadyRegistered, "id"),
            None if id.as_str() == ROOT => return refused(Reason::AlreadyRegistered, "id"),
            None if self.operators.len() >= OPERATORS => {
                return refused(Reason::TooManyItems, "id");
            }
            None => {}
        }
        self.fresh(key_sm3)?;
        let key_sm3 = *key_sm3;
        done(Some(OperatorsEvent::Enrolled { id: id.clone(), role, key_sm3 }))
    }

    fn rotate(&self, id: &OperatorId, key_sm3: &[u8; 32]) -> Decided {
        match self.operators.get(id) {
            Some(known) if known.revoked => refused(Reason::NotFound, "id"),
            Some(known) if known.key_sm3 == *key_sm3 => done(None),
            Some(_) => {
                self.fresh(key_sm3)?;
                done(Some(OperatorsEvent::Rotated { id: id.clone(), key_sm3: *key_sm3 }))
            }
            None => refused(Reason::NotFound, "id"),
        }
    }

    /// One key, one operator: an act must have one name.
    fn fresh(&self, key_sm3: &[u8; 32]) -> Result<(), Rejection> {
        match self.operators.values().any(|known| known.key_sm3 == *key_sm3) {
            true => Err(Rejection::of_field(Reason::AlreadyRegistered, "key")),
            false => Ok(()),
        }
    }

    fn revoke(&self, id: &OperatorId) -> Decided {
        match self.operators.get(id) {
            Some(known) if known.revoked => done(None),
            Some(_) => done(Some(OperatorsEvent::Revoked { id: id.clone() })),
            None => refused(Reason::NotFound, "id"),
        }
    }
}

impl Machine for Operators {
    type Command = OperatorsCommand;
    type Event = OperatorsEvent;
    type Reply = OperatorsReply;

    fn new(_stream: Stream) -> Self {
        Self::default()
    }

    fn decide(&self, facts: &Facts<'_>, command: &OperatorsCommand) -> Decided {
        match command {
            OperatorsCommand::Admit { shown, duty, act, what, request } => {
                self.admit(facts.now, shown, (*duty, *act), what, request)
            }
            OperatorsCommand::Conclude { act, about, outcome } => {
                let (about, outcome) = (about.clone(), outcome.clone());
                done(Some(OperatorsEvent::Concluded { act: *act, about, outcome }))
            }
            OperatorsCommand::Enrol { id, role, key_sm3 } => self.enrol(id, *role, key_sm3),
            OperatorsCommand::Rotate { id, key_sm3 } => self.rotate(id, key_sm3),
            OperatorsCommand::Revoke { id } => self.revoke(id),
            OperatorsCommand::Look => {
                let all = self.operators.values().cloned().collect();
                Ok(Decision::answer(OperatorsReply::View(all)))
            }
        }
    }

    fn apply(&mut self, at: Timestamp, event: &OperatorsEvent) {
        match event {
            OperatorsEvent::Enrolled { id, role, key_sm3 } => {
                let (id, role, key_sm3) = (id.clone(), *role, *key_sm3);
                let operator =
                    Operator { id: id.clone(), role, key_sm3, key_since: at, revoked: false };
                self.torn |= self.operators.insert(id, operator).is_some();
            }
            OperatorsEvent::Rotated { id, key_sm3 } => match self.operators.get_mut(id) {
                Some(known) => (known.key_sm3, known.key_since) = (*key_sm3, at),
                None => self.torn = true,
            },
            OperatorsEvent::Revoked { id } => match self.operators.get_mut(id) {
                Some(known) => known.revoked = true,
                None => self.torn = true,
            },
            OperatorsEvent::Acted { number, .. } => {
                self.torn |= self.acts.checked_add(1) != Some(*number);
                self.acts = *number;
            }
            OperatorsEvent::Concluded { act, .. } => self.torn |= act.number > self.acts,
        }
    }

    fn check(&self) -> Result<(), Violation> {
        match self.torn {
            true => {
                let seen = "an operator or an act of the audit log does not follow".into();
                Err(Violation { invariant: "INV-08", seen })
            }
            false => Ok(()),
        }
    }

    fn snapshot(&self) -> Vec<u8> {
        encoding::encode(SNAPSHOT_FORMAT, self)
    }

    fn restore(stream: Stream, snapshot: &[u8], _pages: &[(u64, Vec<u8>)]) -> Option<Self> {
        let own = stream == Stream::Operators;
        own.then(|| encoding::decode(SNAPSHOT_FORMAT, snapshot)).flatten()
    }
}
