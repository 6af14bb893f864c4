//! The issuance machine (签发): starts runs, one at a time, and remembers how far each has come.

#[cfg(test)]
mod tests;

use carbon_protocol::entry::Stream;
use carbon_protocol::issuance::{IssuanceCommand, IssuanceEvent, IssuanceReply, Run};
use carbon_protocol::{
    AccountId, Day, Reason, RecordRef, Rejection, RunNo, SceneNo, Serial, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::invariants::Violation;
use crate::machines::{Decision, Facts, Machine, encoding};

/// The format of an encoded desk.
const SNAPSHOT_FORMAT: u8 = 1;

/// All runs. An operator starts a few a month: they are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Issuance {
    runs: Vec<Run>,
    torn: bool,
}

impl Issuance {
    fn start(
        &self,
        now: Timestamp,
        serial: &Serial,
        through: Day,
        scenes: &[SceneNo],
        excluded: &[RecordRef],
    ) -> Result<Decision<Self>, Rejection> {
        if let Some(known) = self.runs.iter().find(|run| run.serial == *serial) {
            let same = known.through == through
                && (&known.scenes[..], &known.excluded[..]) == (scenes, excluded);
            return match same {
                true => {
                    let run = Box::new(known.clone());
                    Ok(Decision::answer(IssuanceReply::Run(run, true)))
                }
                false => Err(Rejection::of_field(Reason::SerialConflict, "serial")),
            };
        }
        if self.runs.last().is_some_and(|run| run.finished_at.is_none()) {
            return Err(Reason::RunConflict.into());
        }
        let run = self.runs.last().map_or(RunNo(1), |last| RunNo(last.no.0.saturating_add(1)));
        let event = IssuanceEvent::Started {
            run,
            serial: serial.clone(),
            through,
            scenes: scenes.to_vec(),
            excluded: excluded.to_vec(),
        };
        let mut after = self.clone();
        after.apply(now, &event);
        Ok(Decision { events: vec![event], reply: after.view(Some(run), false) })
    }

    fn started(at: Timestamp, event: &IssuanceEvent) -> Option<Run> {
        let IssuanceEvent::Started { run, serial, through, scenes, excluded } = event else {
            return None;
        };
        Some(Run {
            no: *run,
            serial: serial.clone(),
            through: *through,
            scenes: scenes.clone(),
            excluded: excluded.clone(),
            started_at: at,
            finished_at: None,
            cursor: None,
            accounts: 0,
        })
    }

    /// The run that is under way, if it is this one.
    fn running(&self, no: RunNo) -> Option<&Run> {
        self.runs.last().filter(|run| run.no == no && run.finished_at.is_none())
    }

    fn advance(
        &self,
        now: Timestamp,
        no: RunNo,
        through: AccountId,
        accounts: u32,
    ) -> Decision<Self> {
        // What was passed already is not passed again, whoever says so.
        let on = self.running(no).filter(|run| run.cursor.is_none_or(|at| at < through));
        let event = on.map(|run| IssuanceEvent::Advanced { run: run.no, through, accounts });
        self.answered(now, no, event)
    }

    fn finish(&self, now: Timestamp, no: RunNo) -> Decision<Self> {
        let event = self.running(no).map(|run| IssuanceEvent::Finished { run: run.no });
        self.answered(now, no, event)
    }

    fn answered(&self, now: Timestamp, no: RunNo, event: Option<IssuanceEvent>) -> Decision<Self> {
        let replay = event.is_none();
        let mut after = self.clone();
        event.iter().for_each(|event| after.apply(now, event));
        Decision { events: event.into_iter().collect(), reply: after.view(Some(no), replay) }
    }

    fn view(&self, no: Option<RunNo>, replay: bool) -> IssuanceReply {
        let run = match no {
            Some(no) => self.runs.iter().find(|run| run.no == no),
            None => self.runs.last(),
        };
        run.map_or(IssuanceReply::None, |run| IssuanceReply::Run(Box::new(run.clone()), replay))
    }
}

impl Machine for Issuance {
    type Command = IssuanceCommand;
    type Event = IssuanceEvent;
    type Reply = IssuanceReply;

    fn new(_stream: Stream) -> Self {
        Self::default()
    }

    fn decide(
        &self,
        facts: &Facts<'_>,
        command: &IssuanceCommand,
    ) -> Result<Decision<Self>, Rejection> {
        match command {
            IssuanceCommand::Start { serial, through, scenes, excluded } => {
                self.start(facts.now, serial, *through, scenes, excluded)
            }
            IssuanceCommand::Advance { run, through, accounts } => {
                Ok(self.advance(facts.now, *run, *through, *accounts))
            }
            IssuanceCommand::Finish { run } => Ok(self.finish(facts.now, *run)),
            IssuanceCommand::Look(no) => Ok(Decision::answer(self.view(*no, true))),
        }
    }

    fn apply(&mut self, at: Timestamp, event: &IssuanceEvent) {
        if let Some(run) = Self::started(at, event) {
            let follows = self.runs.last().map_or(0, |last| last.no.0).checked_add(1);
            let idle = self.runs.last().is_none_or(|last| last.finished_at.is_some());
            self.torn |= follows != Some(run.no.0) || !idle;
            self.runs.push(run);
            return;
        }
        let (IssuanceEvent::Advanced { run: no, .. } | IssuanceEvent::Finished { run: no }) = event
        else {
            return;
        };
        let Some(run) = self.runs.last_mut().filter(|run| run.no == *no) else {
            self.torn = true;
            return;
        };
        match event {
            IssuanceEvent::Advanced { through, accounts, .. } => {
                self.torn |= run.cursor.is_some_and(|at| at >= *through);
                run.cursor = Some(*through);
                run.accounts = run.accounts.saturating_add(u64::from(*accounts));
            }
            _ => run.finished_at = Some(at),
        }
    }

    fn check(&self) -> Result<(), Violation> {
        match self.torn {
            true => {
                let seen = "an issuance run went back, or two ran at a time".into();
                Err(Violation { invariant: "INV-02", seen })
            }
            false => Ok(()),
        }
    }

    fn snapshot(&self) -> Vec<u8> {
        encoding::encode(SNAPSHOT_FORMAT, self)
    }

    fn restore(stream: Stream, snapshot: &[u8], _pages: &[(u64, Vec<u8>)]) -> Option<Self> {
        let own = stream == Stream::Issuance;
        own.then(|| encoding::decode(SNAPSHOT_FORMAT, snapshot)).flatten()
    }
}
