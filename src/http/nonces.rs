//! Nonces: each is used once per application, for as long as its timestamp could be accepted.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

use carbon_protocol::{AppNo, Timestamp};
use parking_lot::Mutex;

const MINUTE_MS: i64 = 60_000;

/// What became of a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It is new, and remembered now.
    New,
    /// It was used before.
    Before,
    /// There is no room to remember another one.
    Full,
}

/// The nonces seen of late. A nonce is kept as eight bytes under a secret hash, by the minute it
/// came in; minutes older than the window are dropped whole.
#[derive(Debug)]
pub struct Nonces {
    keep_minutes: i64,
    capacity: usize,
    hash: RandomState,
    apps: Mutex<HashMap<AppNo, Minutes>>,
}

#[derive(Debug, Default)]
struct Minutes {
    count: usize,
    minutes: VecDeque<(i64, HashSet<u64>)>,
}

impl Nonces {
    /// Remembers nonces for twice the window (a timestamp may lie ahead as far as behind), at most
    /// `capacity` an application.
    pub fn new(window_seconds: u32, capacity: usize) -> Self {
        let keep_minutes = i64::from(window_seconds) * 2 / 60 + 1;
        Self { keep_minutes, capacity, hash: RandomState::new(), apps: Mutex::default() }
    }

    /// Uses a nonce.
    pub fn take(&self, app: AppNo, nonce: &str, now: Timestamp) -> Seen {
        let minute = now.0.div_euclid(MINUTE_MS);
        let print = self.hash.hash_one(nonce);
        let mut apps = self.apps.lock();
        let seen = apps.entry(app).or_default();
        while let Some((oldest, nonces)) = seen.minutes.front() {
            if *oldest >= minute - self.keep_minutes {
                break;
            }
            seen.count -= nonces.len();
            seen.minutes.pop_front();
        }
        if seen.minutes.iter().any(|(_, nonces)| nonces.contains(&print)) {
            return Seen::Before;
        }
        if seen.count >= self.capacity {
            return Seen::Full;
        }
        // A clock that went back a little writes into the newest minute.
        if seen.minutes.back().is_none_or(|(newest, _)| *newest < minute) {
            seen.minutes.push_back((minute, HashSet::new()));
        }
        if let Some((_, nonces)) = seen.minutes.back_mut() {
            nonces.insert(print);
            seen.count += 1;
        }
        Seen::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_used_once_per_application_and_forgotten_after_the_window() {
        let nonces = Nonces::new(300, 3);
        let at = |seconds: i64| Timestamp(1_000_000_000).plus_seconds(seconds);
        assert_eq!(nonces.take(AppNo(1), "a", at(0)), Seen::New);
        assert_eq!(nonces.take(AppNo(1), "a", at(1)), Seen::Before);
        assert_eq!(nonces.take(AppNo(2), "a", at(1)), Seen::New);
        assert_eq!(nonces.take(AppNo(1), "a", at(600)), Seen::Before);
        assert_eq!(nonces.take(AppNo(1), "b", at(600)), Seen::New);
        assert_eq!(nonces.take(AppNo(1), "c", at(600)), Seen::New);
        assert_eq!(nonces.take(AppNo(1), "d", at(600)), Seen::Full);
        assert_eq!(nonces.take(AppNo(1), "a", at(800)), Seen::New);
        assert_eq!(nonces.take(AppNo(1), "a", at(790)), Seen::Before);
    }
}
