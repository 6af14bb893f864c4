//! The courier machine of one application: where pushes go, how far each kind's feed was delivered,
//! when a failed push is tried again, what was given up on. Its state is a cursor, never a queue.

mod replaying;
mod schedule;
#[cfg(test)]
mod tests;

use carbon_protocol::courier::{
    CourierCommand, CourierEvent, CourierReply, LaneView, PushAddress, PushKind, Replay,
};
use carbon_protocol::entry::Stream;
use carbon_protocol::{MessageId, Reason, Rejection, Timestamp};
use serde::{Deserialize, Serialize};

use crate::invariants::Violation;
use crate::machines::{Decision, Facts, Machine, encoding};

/// The format of an encoded courier.
const SNAPSHOT_FORMAT: u8 = 1;
/// Ranges given up on that are remembered for a replay; older ones are only in the journal.
const PARKED: usize = 64;
/// The answer of a receiver that wants nothing more (HTTP 410).
const GONE: u16 = 410;

/// One application's courier.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Courier {
    lanes: Vec<Lane>,
    /// An event did not fit: a cursor would have gone back.
    torn: bool,
}

/// Delivery of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Lane {
    kind: PushKind,
    address: Option<PushAddress>,
    /// Everything at or before it was delivered or parked.
    cursor: MessageId,
    attempts: u32,
    retrying: Option<MessageId>,
    next_at: Option<Timestamp>,
    delivered: u64,
    parked: Vec<(MessageId, MessageId, u32)>,
    replays: Vec<Replay>,
}

impl Lane {
    fn new(kind: PushKind) -> Self {
        Self {
            kind,
            address: None,
            cursor: MessageId { sequence: 0, item: 0 },
            attempts: 0,
            retrying: None,
            next_at: None,
            delivered: 0,
            parked: Vec::new(),
            replays: Vec::new(),
        }
    }

    fn view(&self) -> LaneView {
        LaneView {
            kind: self.kind,
            address: self.address.clone(),
            cursor: self.cursor,
            attempts: self.attempts,
            retrying: self.retrying,
            next_at: self.next_at,
            delivered: self.delivered,
            parked: self.parked.clone(),
            replays: self.replays.clone(),
        }
    }

    /// Whether a result is of the push that is due, not of one that was answered long ago.
    fn awaits(&self, through: MessageId) -> bool {
        through > self.cursor && self.retrying.is_none_or(|retrying| retrying == through)
    }

    /// A new address, or a receiver that is back: the same push is tried at once, and gets the
    /// whole schedule again.
    fn try_anew(&mut self) {
        (self.attempts, self.next_at) = (0, None);
        for replay in &mut self.replays {
            (replay.attempts, replay.next_at) = (0, None);
        }
    }

    /// Moves on behind a push; false where that would be back.
    #[must_use]
    fn move_on(&mut self, through: MessageId) -> bool {
        let on = through > self.cursor;
        (self.cursor, self.attempts) = (through, 0);
        (self.retrying, self.next_at) = (None, None);
        on
    }
}

impl Courier {
    fn lane(&self, kind: PushKind) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.kind == kind)
    }

    fn lane_mut(&mut self, kind: PushKind) -> &mut Lane {
        let place = self.lanes.iter().position(|lane| lane.kind == kind).unwrap_or_else(|| {
            self.lanes.push(Lane::new(kind));
            self.lanes.len() - 1
        });
        &mut self.lanes[place]
    }

    fn awaits(&self, kind: PushKind, through: MessageId) -> bool {
        self.lane(kind).is_some_and(|lane| lane.awaits(through))
    }

    fn set_address(&self, kind: PushKind, url: &str) -> Option<CourierEvent> {
        let same = PushAddress { url: url.into(), paused: false };
        let known = self.lane(kind).and_then(|lane| lane.address.as_ref()) == Some(&same);
        (!known).then(|| CourierEvent::AddressSet { kind, url: url.into() })
    }

    fn pause(&self, kind: PushKind, paused: bool) -> Result<Option<CourierEvent>, Rejection> {
        let address = self.lane(kind).and_then(|lane| lane.address.as_ref());
        let address = address.ok_or_else(|| Rejection::of_field(Reason::NotFound, "kind"))?;
        Ok((address.paused != paused).then_some(CourierEvent::Paused { kind, paused }))
    }

    /// What follows from a try that failed: another one, a pause by the receiver's wish, or, when
    /// the schedule is at its end, a parked range.
    fn failed(&self, facts: &Facts<'_>, failed: &Failed) -> Option<CourierEvent> {
        let Failed { kind, through, count, status, .. } = *failed;
        let lane = self.lane(kind).filter(|lane| lane.awaits(through))?;
        if status == GONE {
            return Some(CourierEvent::Paused { kind, paused: true });
        }
        let attempts = lane.attempts.saturating_add(1);
        let Some(wait) = schedule::wait_ms(attempts, failed) else {
            return Some(CourierEvent::Parked { kind, through, count });
        };
        let next_at = facts.now.plus_ms(wait);
        Some(CourierEvent::AttemptFailed { kind, through, attempts, status, next_at })
    }
}

/// A try that failed, as the shell reports it.
#[derive(Debug, Clone, Copy)]
struct Failed {
    kind: PushKind,
    through: MessageId,
    count: u32,
    status: u16,
    retry_after: Option<u32>,
    jitter: u16,
}

fn done(event: Option<CourierEvent>) -> Decision<Courier> {
    Decision { events: event.into_iter().collect(), reply: CourierReply::Done }
}

impl Machine for Courier {
    type Command = CourierCommand;
    type Event = CourierEvent;
    type Reply = CourierReply;

    fn new(_stream: Stream) -> Self {
        Self::default()
    }

    fn decide(
        &self,
        facts: &Facts<'_>,
        command: &CourierCommand,
    ) -> Result<Decision<Self>, Rejection> {
        Ok(match command {
            CourierCommand::SetAddress { kind, url } => done(self.set_address(*kind, url)),
            CourierCommand::Pause { kind, paused } => done(self.pause(*kind, *paused)?),
            CourierCommand::Delivered { kind, through, count } => {
                let (kind, through, count) = (*kind, *through, *count);
                let delivered = CourierEvent::Delivered { kind, through, count };
                done(self.awaits(kind, through).then_some(delivered))
            }
            CourierCommand::Failed { kind, through, count, status, retry_after, jitter } => {
                let failed = Failed {
                    kind: *kind,
                    through: *through,
                    count: *count,
                    status: *status,
                    retry_after: *retry_after,
                    jitter: *jitter,
                };
                done(self.failed(facts, &failed))
            }
            CourierCommand::Replay { kind, after, through } => {
                done(self.replay(*kind, *after, *through)?)
            }
            CourierCommand::Replayed { kind, through, count } => {
                done(self.replayed(*kind, *through, *count))
            }
            CourierCommand::ReplayFailed { kind, through, status, retry_after, jitter } => {
                let failed = Failed {
                    kind: *kind,
                    through: *through,
                    count: 0,
                    status: *status,
                    retry_after: *retry_after,
                    jitter: *jitter,
                };
                done(self.replay_failed(facts, &failed))
            }
            CourierCommand::Look => {
                let lanes = self.lanes.iter().map(Lane::view).collect();
                Decision::answer(CourierReply::View(lanes))
            }
        })
    }

    fn apply(&mut self, _at: Timestamp, event: &CourierEvent) {
        match event {
            CourierEvent::AddressSet { kind, url } => {
                let lane = self.lane_mut(*kind);
                lane.address = Some(PushAddress { url: url.clone(), paused: false });
                lane.try_anew();
            }
            CourierEvent::Paused { kind, paused } => {
                let lane = self.lane_mut(*kind);
                if !*paused {
                    lane.try_anew();
                }
                if let Some(address) = &mut lane.address {
                    address.paused = *paused;
                }
            }
            CourierEvent::Delivered { kind, through, count } => {
                let lane = self.lane_mut(*kind);
                let on = lane.move_on(*through);
                lane.delivered = lane.delivered.saturating_add(u64::from(*count));
                self.torn |= !on;
            }
            CourierEvent::AttemptFailed { kind, through, attempts, next_at, .. } => {
                let lane = self.lane_mut(*kind);
                lane.attempts = *attempts;
                lane.retrying = Some(*through);
                lane.next_at = Some(*next_at);
            }
            CourierEvent::Parked { kind, through, count } => {
                let lane = self.lane_mut(*kind);
                let after = lane.cursor;
                let on = lane.move_on(*through);
                if lane.parked.len() == PARKED {
                    lane.parked.remove(0);
                }
                lane.parked.push((after, *through, *count));
                self.torn |= !on;
            }
            CourierEvent::ReplayAsked { kind, .. }
            | CourierEvent::Replayed { kind, .. }
            | CourierEvent::ReplayFailed { kind, .. }
            | CourierEvent::ReplayGivenUp { kind } => {
                let fits = self.lane_mut(*kind).apply_replay(event);
                self.torn |= !fits;
            }
        }
    }

    fn check(&self) -> Result<(), Violation> {
        match self.torn {
            true => {
                let seen = "a feed's cursor went back".into();
                Err(Violation { invariant: "INV-07", seen })
            }
            false => Ok(()),
        }
    }

    fn snapshot(&self) -> Vec<u8> {
        encoding::encode(SNAPSHOT_FORMAT, self)
    }

    fn restore(stream: Stream, snapshot: &[u8], _pages: &[(u64, Vec<u8>)]) -> Option<Self> {
        let own = matches!(stream, Stream::Courier(_));
        own.then(|| encoding::decode(SNAPSHOT_FORMAT, snapshot)).flatten()
    }
}
