//! The shell around a machine: an actix actor that takes commands in groups, stamps the time once,
//! decides and applies, appends once, and releases every reply when that is durable. Only it can.

use std::collections::VecDeque;
use std::sync::Arc;

use actix::prelude::*;
use carbon_protocol::Timestamp;
use carbon_protocol::entry::{Entry, FORMAT, Stream};
use tokio::sync::oneshot;

use crate::house::{House, Housed};
use crate::invariants::Violation;
use crate::loads::Given;
use crate::machines::Facts;
use crate::machines::planted::{Planted, is_planted};
use crate::ports::{Append, Failure};
use crate::refusal::Refusal;
use crate::snapshot::Loaded;
use crate::{scribe, snapshot, system};

/// What an answer is: the machine's reply, a refusal, or that something broke.
pub type Answer<M> = Result<<M as crate::machines::Machine>::Reply, Refusal>;

/// A command with the way back of its answer.
pub struct Ask<M: Housed> {
    /// What is asked.
    pub command: M::Command,
    /// Where the answer goes. Dropping the other end cancels nothing: writes are idempotent.
    pub reply: oneshot::Sender<Answer<M>>,
    /// Whether it comes from inside: room is reserved for those, or writers, followers and
    /// mailboxes could wait for each other.
    pub internal: bool,
}

impl<M: Housed> Message for Ask<M> {
    type Result = ();
}

impl<M: Housed> Ask<M> {
    /// Answers that something broke.
    pub fn broken(self, failure: Failure) {
        // A send fails where the asker has gone; then nobody wants to know.
        let _ = self.reply.send(Err(failure.into()));
    }
}

/// Asks an idle actor to leave its room (second phase of passivation).
pub struct Leave;

impl Message for Leave {
    type Result = ();
}

/// The actor of one stream.
pub struct Shell<M: Housed> {
    house: Arc<House>,
    stream: Stream,
    /// Its first state, where it is read together with others'.
    given: Option<Given<M>>,
    /// None while it is being loaded.
    state: Option<State<M>>,
    waiting: VecDeque<Ask<M>>,
    committing: bool,
    leaving: bool,
}

struct State<M> {
    machine: M,
    version: u64,
    epoch: u32,
}

/// A turn that waits for the journal.
struct Turn<M: Housed> {
    events: Vec<M::Event>,
    replies: Vec<(oneshot::Sender<Answer<M>>, Answer<M>)>,
}

impl<M: Housed> Shell<M> {
    /// The actor of `stream`, not loaded yet.
    pub fn new(house: Arc<House>, stream: Stream, given: Option<Given<M>>) -> Self {
        let waiting = VecDeque::new();
        Self { house, stream, given, state: None, waiting, committing: false, leaving: false }
    }

    /// Loads the newest durable state; no message is handled meanwhile.
    fn load(&mut self, ctx: &mut Context<Self>) {
        let (store, stream, given) =
            (self.house.ports.store.clone(), self.stream, self.given.take());
        let load = async move {
            match given {
                Some(given) => given.await.unwrap_or(Err(Failure::Stopping)),
                None => system::blocking(move || snapshot::load::<M>(&*store, stream)).await?,
            }
        };
        ctx.wait(load.into_actor(self).map(|loaded: Result<Loaded<M>, Failure>, shell, ctx| {
            match loaded {
                // Whoever wrote before is history now: the epoch only grows (INV-08).
                Ok(loaded) => {
                    let epoch = loaded.epoch.saturating_add(1);
                    let state = State { machine: loaded.machine, version: loaded.version, epoch };
                    shell.state = Some(state);
                    shell.turn(ctx);
                }
                Err(failure) => {
                    tracing::error!(stream = ?shell.stream, %failure, "state cannot be loaded");
                    shell.give_up(&failure, ctx);
                }
            }
        }));
    }

    /// Takes what waits, if it may.
    fn turn(&mut self, ctx: &mut Context<Self>) {
        if self.committing || self.waiting.is_empty() {
            return self.leave_if_asked(ctx);
        }
        let Some(state) = self.state.as_mut() else { return };
        let group = self.waiting.len().min(self.house.limits.group_commands);
        // Taken with its room where all goes: an idle account must not keep any.
        let asks: Vec<Ask<M>> = if group == self.waiting.len() {
            std::mem::take(&mut self.waiting).into()
        } else {
            self.waiting.drain(..group).collect()
        };
        let now = match self.house.ports.clock.now() {
            Ok(now) => now,
            Err(failure) => {
                asks.into_iter().for_each(|ask| ask.broken(failure.clone()));
                return self.turn(ctx);
            }
        };
        let policy = self.house.policy(now.day());
        let mut turn = decide(&mut state.machine, &Facts { now, policy: &policy }, asks);
        if turn.events.is_empty() {
            turn.release();
            return self.turn(ctx);
        }
        match state.machine.check() {
            Ok(()) => self.commit(now, turn, ctx),
            Err(violation) => self.stop_wrong(&violation, turn, ctx),
        }
    }

    fn commit(&mut self, at: Timestamp, mut turn: Turn<M>, ctx: &mut Context<Self>) {
        let Some(state) = self.state.as_mut() else { return };
        state.version += 1;
        let (stream, version, epoch) = (self.stream, state.version, state.epoch);
        let events = turn.events.iter().cloned().map(Into::into).collect();
        let entry = Entry { format: FORMAT, stream, version, epoch, at, events };
        let bytes = match rmp_serde::to_vec(&entry) {
            Ok(bytes) => bytes,
            Err(error) => return self.discard(&Failure::Journal(error.to_string()), turn, ctx),
        };
        let mut puts = snapshot::puts(stream, version, epoch, &mut state.machine);
        if is_planted(Planted::SnapshotBehind) && version.is_multiple_of(2) {
            puts.clear();
        }
        if is_planted(Planted::ReplyBeforeAppend) {
            turn.release();
        }
        self.committing = true;
        let outcome = scribe::append(Append { entry: Arc::new(entry), bytes, puts });
        ctx.spawn(outcome.into_actor(self).map(move |outcome, shell, ctx| {
            shell.committing = false;
            match outcome.unwrap_or(Err(Failure::Stopping)) {
                Ok(_) => {
                    if let Some(state) = &shell.state {
                        M::after(&shell.house, shell.stream, &state.machine, &turn.events);
                    }
                    turn.release();
                    shell.turn(ctx);
                }
                Err(failure) => shell.discard(&failure, turn, ctx),
            }
        }));
    }

    /// The journal did not take it: the copy in memory is ahead of the truth. Forget it, answer
    /// that the outcome is unknown, load again.
    fn discard(&mut self, failure: &Failure, turn: Turn<M>, ctx: &mut Context<Self>) {
        tracing::warn!(stream = ?self.stream, %failure, "an entry was not taken");
        turn.break_all(failure);
        self.state = None;
        self.load(ctx);
    }

    /// A broken invariant: nothing is appended, nobody is answered on top of it, and nothing more
    /// is asked of this stream until the next start.
    fn stop_wrong(&mut self, violation: &Violation, turn: Turn<M>, ctx: &mut Context<Self>) {
        tracing::error!(stream = ?self.stream, %violation, "quarantined");
        let failure = Failure::Invariant(violation.invariant.into());
        turn.break_all(&failure);
        self.waiting.drain(..).for_each(|ask| ask.broken(failure.clone()));
        M::rooms(&self.house).quarantine(self.stream);
        ctx.stop();
    }

    fn give_up(&mut self, failure: &Failure, ctx: &mut Context<Self>) {
        self.waiting.drain(..).for_each(|ask| ask.broken(failure.clone()));
        M::rooms(&self.house).vacate(&self.house, self.stream);
        ctx.stop();
    }

    fn leave_if_asked(&mut self, ctx: &mut Context<Self>) {
        if self.leaving && !self.committing && self.waiting.is_empty() {
            M::rooms(&self.house).vacate(&self.house, self.stream);
            ctx.stop();
        }
    }
}

/// Decides the commands one after the other, each upon what the ones before have changed.
fn decide<M: Housed>(machine: &mut M, facts: &Facts<'_>, asks: Vec<Ask<M>>) -> Turn<M> {
    let mut turn = Turn { events: Vec::new(), replies: Vec::with_capacity(asks.len()) };
    for ask in asks {
        let due = machine.due(facts);
        due.iter().for_each(|event| machine.apply(facts.now, event));
        turn.events.extend(due);
        let answer = machine.decide(facts, &ask.command).map(|decision| {
            decision.events.iter().for_each(|event| machine.apply(facts.now, event));
            turn.events.extend(decision.events);
            decision.reply
        });
        turn.replies.push((ask.reply, answer.map_err(Refusal::No)));
    }
    turn
}

impl<M: Housed> Turn<M> {
    /// Releases the replies: what they say is durable, reads of this turn included.
    fn release(&mut self) {
        for (reply, answer) in self.replies.drain(..) {
            // A send fails where the asker has gone; the outcome stands all the same.
            let _ = reply.send(answer);
        }
    }

    fn break_all(self, failure: &Failure) {
        for (reply, _) in self.replies {
            let _ = reply.send(Err(failure.clone().into()));
        }
    }
}

impl<M: Housed> Actor for Shell<M> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.load(ctx);
    }
}

impl<M: Housed> Handler<Ask<M>> for Shell<M> {
    type Result = ();

    fn handle(&mut self, ask: Ask<M>, ctx: &mut Context<Self>) {
        let limits = &self.house.limits;
        let reserved = if ask.internal { 0 } else { limits.reserved_commands };
        if self.waiting.len() + reserved >= limits.waiting_commands {
            return ask.broken(Failure::Busy("actor"));
        }
        self.waiting.push_back(ask);
        self.turn(ctx);
    }
}

impl<M: Housed> Handler<Leave> for Shell<M> {
    type Result = ();

    fn handle(&mut self, _: Leave, ctx: &mut Context<Self>) {
        self.leaving = true;
        self.leave_if_asked(ctx);
    }
}
