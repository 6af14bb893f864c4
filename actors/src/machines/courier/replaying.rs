//! Replays: ranges that were delivered or parked are sent once more, by somebody's wish, beside
//! what is owed anew. Events keep their ids, so a receiver takes each once.

use carbon_protocol::courier::{CourierEvent, PushKind, Replay};
use carbon_protocol::{MessageId, Reason, Rejection};

use super::{Courier, Failed, GONE, Lane, schedule};
use crate::machines::Facts;

/// Replays of one kind that wait at most.
const REPLAYS: usize = 16;

impl Courier {
    pub(super) fn replay(
        &self,
        kind: PushKind,
        after: MessageId,
        through: MessageId,
    ) -> Result<Option<CourierEvent>, Rejection> {
        let addressed = self.lane(kind).filter(|lane| lane.address.is_some());
        let lane = addressed.ok_or_else(|| Rejection::of_field(Reason::NotFound, "kind"))?;
        // What was not tried yet comes anyway.
        let through = through.min(lane.cursor);
        if after >= through {
            return Ok(None);
        }
        if lane.replays.iter().any(|known| known.from <= after && through <= known.through) {
            return Ok(None);
        }
        if lane.replays.len() >= REPLAYS {
            return Err(Rejection::from(Reason::TooManyItems).with(format!("{REPLAYS} replays")));
        }
        Ok(Some(CourierEvent::ReplayAsked { kind, after, through }))
    }

    pub(super) fn replayed(
        &self,
        kind: PushKind,
        through: MessageId,
        count: u32,
    ) -> Option<CourierEvent> {
        let replay = self.first_replay(kind, through)?;
        let through = through.min(replay.through);
        Some(CourierEvent::Replayed { kind, through, count })
    }

    pub(super) fn replay_failed(&self, facts: &Facts<'_>, failed: &Failed) -> Option<CourierEvent> {
        let kind = failed.kind;
        let replay = self.first_replay(kind, failed.through)?;
        if failed.status == GONE {
            return Some(CourierEvent::Paused { kind, paused: true });
        }
        let attempts = replay.attempts.saturating_add(1);
        let status = failed.status;
        Some(match schedule::wait_ms(attempts, failed) {
            Some(wait) => {
                let next_at = facts.now.plus_ms(wait);
                CourierEvent::ReplayFailed { kind, attempts, status, next_at }
            }
            None => CourierEvent::ReplayGivenUp { kind },
        })
    }

    /// The replay that a result is of: the first one, unless the result is of long ago.
    fn first_replay(&self, kind: PushKind, through: MessageId) -> Option<&Replay> {
        let first = self.lane(kind)?.replays.first()?;
        (first.after < through && through <= first.through).then_some(first)
    }
}

impl Lane {
    /// False where an event does not fit.
    #[must_use]
    pub(super) fn apply_replay(&mut self, event: &CourierEvent) -> bool {
        if let CourierEvent::ReplayAsked { after, through, .. } = event {
            let (from, after, through) = (*after, *after, *through);
            self.replays.push(Replay { from, after, through, attempts: 0, next_at: None });
            return true;
        }
        let Some(first) = self.replays.first_mut() else { return false };
        match event {
            CourierEvent::Replayed { through, count, .. } => {
                (first.after, first.attempts, first.next_at) = (*through, 0, None);
                let (from, ended) = (first.from, *through == first.through);
                self.delivered = self.delivered.saturating_add(u64::from(*count));
                if ended {
                    let through = *through;
                    self.parked.retain(|(after, last, _)| *after < from || *last > through);
                    self.replays.remove(0);
                }
            }
            CourierEvent::ReplayFailed { attempts, next_at, .. } => {
                (first.attempts, first.next_at) = (*attempts, Some(*next_at));
            }
            CourierEvent::ReplayGivenUp { .. } => {
                self.replays.remove(0);
            }
            _ => return false,
        }
        true
    }
}
