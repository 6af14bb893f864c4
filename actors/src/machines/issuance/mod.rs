//! The issuance machine (签发): runs are prepared, approved and begun, one at a time, and it
//! remembers how far each has come.

#[cfg(test)]
mod tests;

use carbon_protocol::entry::Stream;
use carbon_protocol::issuance::{
    IssuanceCommand, IssuanceEvent, IssuanceReply, Run, RunStatus, Scope, Signed,
};
use carbon_protocol::policy::{Cycle, Policy};
use carbon_protocol::{
    AccountId, Day, OperatorId, Reason, RecordRef, Rejection, RunNo, SceneNo, Serial, Timestamp,
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

type Decided = Result<Decision<Issuance>, Rejection>;

impl Issuance {
    fn start(&self, facts: &Facts<'_>, serial: &Serial, scope: &Scope, by: &OperatorId) -> Decided {
        if let Some(known) = self.of_serial(serial, scope)? {
            return match known.approved {
                Some(_) => Ok(self.seen_before(known)),
                None => Err(Rejection::of_field(Reason::SerialConflict, "serial")),
            };
        }
        if facts.policy.four_eyes {
            return Err(Reason::FourEyes.into());
        }
        self.nothing_runs()?;
        within_cycle(facts, scope.through)?;
        let prepared = self.preparation(serial, scope, by);
        let run = self.next();
        let started = IssuanceEvent::Started { run, scope: scope.clone(), by: by.clone() };
        Ok(self.decided(facts.now, run, vec![prepared, started]))
    }

    fn prepare(
        &self,
        facts: &Facts<'_>,
        serial: &Serial,
        scope: &Scope,
        by: &OperatorId,
    ) -> Decided {
        if let Some(known) = self.of_serial(serial, scope)? {
            return Ok(self.seen_before(known));
        }
        within_cycle(facts, scope.through)?;
        Ok(self.decided(facts.now, self.next(), vec![self.preparation(serial, scope, by)]))
    }

    fn approve(
        &self,
        facts: &Facts<'_>,
        no: RunNo,
        (scenes, excluded): (&[SceneNo], &[RecordRef]),
        by: &OperatorId,
    ) -> Decided {
        let run = self.find(no)?;
        let scope = narrowed(&run.prepared_scope, scenes, excluded)?;
        match run.status() {
            RunStatus::Prepared => {}
            RunStatus::Running | RunStatus::Finished if run.scope == scope => {
                return Ok(self.seen_before(run));
            }
            _ => return Err(Reason::RunState.into()),
        }
        if facts.policy.four_eyes && run.prepared.by == *by {
            return Err(Reason::FourEyes.into());
        }
        self.nothing_runs()?;
        let started = IssuanceEvent::Started { run: no, scope, by: by.clone() };
        Ok(self.decided(facts.now, no, vec![started]))
    }

    fn withdraw(&self, now: Timestamp, no: RunNo, by: &OperatorId) -> Decided {
        let run = self.find(no)?;
        match run.status() {
            RunStatus::Prepared => {
                let withdrawn = IssuanceEvent::Withdrawn { run: no, by: by.clone() };
                Ok(self.decided(now, no, vec![withdrawn]))
            }
            RunStatus::Withdrawn => Ok(self.seen_before(run)),
            _ => Err(Reason::RunState.into()),
        }
    }

    /// The run of a serial. The same serial for other records is a conflict.
    fn of_serial(&self, serial: &Serial, scope: &Scope) -> Result<Option<&Run>, Rejection> {
        match self.runs.iter().find(|run| run.serial == *serial) {
            Some(known) if known.prepared_scope != *scope => {
                Err(Rejection::of_field(Reason::SerialConflict, "serial"))
            }
            known => Ok(known),
        }
    }

    fn find(&self, no: RunNo) -> Result<&Run, Rejection> {
        let run = self.runs.iter().find(|run| run.no == no);
        run.ok_or_else(|| Rejection::of_field(Reason::NotFound, "no"))
    }

    fn next(&self) -> RunNo {
        self.runs.last().map_or(RunNo(1), |last| RunNo(last.no.0.saturating_add(1)))
    }

    fn under_way(&self) -> Option<&Run> {
        self.runs.iter().rev().find(|run| run.status() == RunStatus::Running)
    }

    fn nothing_runs(&self) -> Result<(), Rejection> {
        self.under_way().map_or(Ok(()), |_| Err(Reason::RunConflict.into()))
    }

    fn preparation(&self, serial: &Serial, scope: &Scope, by: &OperatorId) -> IssuanceEvent {
        let (run, serial) = (self.next(), serial.clone());
        IssuanceEvent::Prepared { run, serial, scope: scope.clone(), by: by.clone() }
    }

    fn seen_before(&self, run: &Run) -> Decision<Self> {
        Decision::answer(IssuanceReply::Run(Box::new(run.clone()), true))
    }

    fn decided(&self, now: Timestamp, no: RunNo, events: Vec<IssuanceEvent>) -> Decision<Self> {
        let mut after = self.clone();
        events.iter().for_each(|event| after.apply(now, event));
        Decision { events, reply: after.view(Some(no), false) }
    }

    /// The run that is under way, if it is this one.
    fn running(&self, no: RunNo) -> Option<&Run> {
        self.under_way().filter(|run| run.no == no)
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
            IssuanceCommand::Start { serial, scope, by } => self.start(facts, serial, scope, by),
            IssuanceCommand::Prepare { serial, scope, by } => {
                self.prepare(facts, serial, scope, by)
            }
            IssuanceCommand::Approve { run, scenes, excluded, by } => {
                self.approve(facts, *run, (scenes, excluded), by)
            }
            IssuanceCommand::Withdraw { run, by } => self.withdraw(facts.now, *run, by),
            IssuanceCommand::Advance { run, through, accounts } => {
                Ok(self.advance(facts.now, *run, *through, *accounts))
            }
            IssuanceCommand::Finish { run } => Ok(self.finish(facts.now, *run)),
            IssuanceCommand::Look(no) => Ok(Decision::answer(self.view(*no, true))),
            IssuanceCommand::Running => Ok(Decision::answer(match self.under_way() {
                Some(run) => IssuanceReply::Run(Box::new(run.clone()), true),
                None => IssuanceReply::None,
            })),
            IssuanceCommand::List { before, limit } => {
                let earlier = |run: &&Run| before.is_none_or(|before| run.no < before);
                let runs = self.runs.iter().rev().filter(earlier).take(*limit).cloned();
                Ok(Decision::answer(IssuanceReply::Runs(runs.collect())))
            }
        }
    }

    fn apply(&mut self, at: Timestamp, event: &IssuanceEvent) {
        let no = match event {
            IssuanceEvent::Prepared { run, serial, scope, by } => {
                self.torn |= self.next() != *run;
                self.runs.push(prepared(at, *run, serial, scope, by));
                return;
            }
            IssuanceEvent::Started { run, .. }
            | IssuanceEvent::Withdrawn { run, .. }
            | IssuanceEvent::Advanced { run, .. }
            | IssuanceEvent::Finished { run } => *run,
        };
        let due = match event {
            IssuanceEvent::Advanced { .. } | IssuanceEvent::Finished { .. } => RunStatus::Running,
            _ => RunStatus::Prepared,
        };
        self.torn |= matches!(event, IssuanceEvent::Started { .. }) && self.under_way().is_some();
        let Some(run) = self.runs.iter_mut().rev().find(|run| run.no == no && run.status() == due)
        else {
            self.torn = true;
            return;
        };
        match event {
            IssuanceEvent::Started { scope, by, .. } => {
                run.scope = scope.clone();
                run.approved = Some(Signed { at, by: by.clone() });
            }
            IssuanceEvent::Withdrawn { by, .. } => {
                run.withdrawn = Some(Signed { at, by: by.clone() });
            }
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

fn prepared(at: Timestamp, no: RunNo, serial: &Serial, scope: &Scope, by: &OperatorId) -> Run {
    Run {
        no,
        serial: serial.clone(),
        prepared_scope: scope.clone(),
        scope: scope.clone(),
        prepared: Signed { at, by: by.clone() },
        approved: None,
        withdrawn: None,
        finished_at: None,
        cursor: None,
        accounts: 0,
    }
}

/// The part of a scope that is approved: of its scenes those that are named, and more refusals.
fn narrowed(whole: &Scope, scenes: &[SceneNo], more: &[RecordRef]) -> Result<Scope, Rejection> {
    let mut scope = whole.clone();
    if !scenes.is_empty() {
        let foreign = |scene: &SceneNo| !whole.scenes.is_empty() && !whole.scenes.contains(scene);
        if let Some(place) = scenes.iter().position(foreign) {
            let field = format!("scenes[{place}]");
            return Err(Rejection::of_field(Reason::OutOfRange, field));
        }
        scope.scenes = scenes.to_vec();
    }
    scope.excluded.extend(more.iter().filter(|record| !whole.excluded.contains(record)));
    Ok(scope)
}

/// Whether a run may reach up to a day: where the policy has a cycle, up to the end of one that is
/// over.
fn within_cycle(facts: &Facts<'_>, through: Day) -> Result<(), Rejection> {
    let Policy { issuance_cycle, .. } = facts.policy;
    match issuance_cycle.is_over(through, facts.now.day()) {
        true => Ok(()),
        false => {
            let detail = match issuance_cycle {
                Cycle::Any => "any day",
                Cycle::Day => "a day that is over",
                Cycle::Month => "the last day of a month that is over",
            };
            Err(Rejection::of_field(Reason::OutOfRange, "through").with(detail))
        }
    }
}
