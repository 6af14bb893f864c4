//! Pure machines. A machine decides and applies; it reads no clock, draws no random number, waits
//! for nothing. Shells do the rest.

pub mod account;
pub mod claims;
pub mod courier;
mod encoding;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod intake;
pub mod issuance;
pub mod operators;
mod pages;
pub mod planted;
pub mod quality;
pub mod registry;

use carbon_protocol::entry::{Event, Stream};
use carbon_protocol::policy::Policy;
use carbon_protocol::{Rejection, Timestamp};

use crate::invariants::Violation;

/// What a decision may look at beside the state: the time the shell stamped and the policy in
/// force.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Now, stamped once for the whole turn.
    pub now: Timestamp,
    /// The policy in force today.
    pub policy: &'a Policy,
}

/// What a machine decided: what happened, and what to answer once that is durable.
#[derive(Debug)]
pub struct Decision<M: Machine> {
    /// Events, in order; none for a read or a replay.
    pub events: Vec<M::Event>,
    /// The answer, released only when the events are durable.
    pub reply: M::Reply,
}

impl<M: Machine> Decision<M> {
    /// An answer that changes nothing.
    pub fn answer(reply: M::Reply) -> Self {
        Self { events: Vec::new(), reply }
    }
}

/// One kind of state that is decided upon by one writer at a time.
pub trait Machine: Sized + Send + Unpin + 'static {
    /// What it may be asked.
    type Command: Send + Unpin + 'static;
    /// What can have happened to it.
    type Event: Into<Event> + Clone + Send + 'static;
    /// What it answers.
    type Reply: Send + 'static;

    /// Whether [`Machine::restore`] needs the pages as well as the snapshot.
    const LOADS_PAGES: bool = false;

    /// The state before the first event of `stream`.
    fn new(stream: Stream) -> Self;

    /// What has become due by now; the shell applies it before every command.
    fn due(&self, _facts: &Facts<'_>) -> Vec<Self::Event> {
        Vec::new()
    }

    /// Decides one command. A refusal changes nothing; one that must be remembered is an event.
    fn decide(
        &self,
        facts: &Facts<'_>,
        command: &Self::Command,
    ) -> Result<Decision<Self>, Rejection>;

    /// Applies what happened. Cannot fail, reads neither clock nor policy: replay gives the same
    /// state. `at` is the entry's stamp.
    fn apply(&mut self, at: Timestamp, event: &Self::Event);

    /// Whether every invariant this state can show holds.
    fn check(&self) -> Result<(), Violation>;

    /// The state, encoded. Pages that were sealed are not in it.
    fn snapshot(&self) -> Vec<u8>;

    /// The state from its snapshot (and its pages, where [`Machine::LOADS_PAGES`]); nothing where
    /// the bytes are not a snapshot of this machine.
    fn restore(stream: Stream, snapshot: &[u8], pages: &[(u64, Vec<u8>)]) -> Option<Self>;

    /// Pages sealed since the last call: number and content. The shell hands them to the store
    /// before the snapshot that no longer holds what is in them. An empty page takes the page of
    /// that number out of the store.
    fn take_pages(&mut self) -> Vec<(u64, Vec<u8>)> {
        Vec::new()
    }
}
