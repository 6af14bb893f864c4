//! Keys of applications: added and retired one by one. Two of a purpose are valid at once at most,
//! and an application is never left without one by a slip: to shut it out is to suspend it.

use carbon_protocol::keys::AppKey;
use carbon_protocol::registry::{RegistryEvent, RegistryReply};
use carbon_protocol::{AppNo, Reason, Rejection, Timestamp};

use super::Registry;
use crate::machines::Decision;

/// Keys of a purpose that may be valid at once.
const AT_ONCE: usize = 2;
/// How far ahead a key's beginning or end may be set: 400 days.
const AHEAD_MS: i64 = 400 * 24 * 3600 * 1000;

type Decided = Result<Decision<Registry>, Rejection>;

fn refused(reason: Reason, field: &str, detail: &str) -> Decided {
    Err(Rejection::of_field(reason, field).with(detail))
}

fn unknown(field: &str) -> Decided {
    Err(Rejection::of_field(Reason::NotFound, field))
}

impl Registry {
    pub(super) fn add_key(&self, now: Timestamp, no: AppNo, key: &AppKey) -> Decided {
        let Some(app) = self.app(no) else { return unknown("appId") };
        let from = key.from.max(now);
        if from.0.saturating_sub(now.0) > AHEAD_MS {
            return refused(Reason::OutOfRange, "validFrom", "at most 400 days ahead");
        }
        let purpose = key.material.signs();
        let beside = |old: &&AppKey| old.material.signs() == purpose && !old.has_ended(from);
        if app.keys.iter().filter(beside).count() >= AT_ONCE {
            let detail = "two keys are valid then: retire one of them first";
            return refused(Reason::TooManyItems, "validFrom", detail);
        }
        let Some(no) = app.newest_key.checked_add(1) else {
            return refused(Reason::TooManyItems, "appId", "no number is left");
        };
        let key = AppKey { no, from, until: None, ..key.clone() };
        let events = vec![RegistryEvent::KeyAdded { app: app.no, key: Box::new(key) }];
        Ok(Decision { events, reply: RegistryReply::Key(no) })
    }

    pub(super) fn retire_key(
        &self,
        now: Timestamp,
        no: AppNo,
        key: u32,
        until: Timestamp,
    ) -> Decided {
        let Some(app) = self.app(no) else { return unknown("appId") };
        let Some(known) = app.keys.iter().find(|known| known.no == key) else {
            return unknown("keyNo");
        };
        let until = until.max(now);
        if until.0.saturating_sub(now.0) > AHEAD_MS {
            return refused(Reason::OutOfRange, "validUntil", "at most 400 days ahead");
        }
        // The same end again, or one later than that of a key that is over: nothing to do.
        if known.until == Some(until) || known.has_ended(now) {
            return Ok(Decision::answer(RegistryReply::Done { replay: true }));
        }
        let others = |other: &AppKey| {
            let same = other.material.signs() == known.material.signs();
            other.no != key && same && other.from <= until && other.until.is_none()
        };
        if !app.keys.iter().any(others) {
            let detail = "no other key stays valid: add one first, or suspend the application";
            return refused(Reason::OutOfRange, "validUntil", detail);
        }
        let events = vec![RegistryEvent::KeyRetired { app: app.no, key, until }];
        Ok(Decision { events, reply: RegistryReply::Done { replay: false } })
    }
}
