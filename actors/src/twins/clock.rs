//! A clock that says what it is told.

use carbon_protocol::Timestamp;
use parking_lot::Mutex;

use crate::ports::{Clock, Failure};

/// A [`Clock`] that stands still until it is moved.
#[derive(Debug)]
pub struct SettableClock(Mutex<Result<Timestamp, Failure>>);

impl SettableClock {
    /// A clock that stands at an instant.
    pub fn at(now: Timestamp) -> Self {
        Self(Mutex::new(Ok(now)))
    }

    /// Sets it, broken or not.
    pub fn set(&self, now: Timestamp) {
        *self.0.lock() = Ok(now);
    }

    /// Moves it on; a broken clock stays broken.
    pub fn advance_ms(&self, ms: i64) {
        let mut now = self.0.lock();
        if let Ok(at) = &mut *now {
            *at = at.plus_ms(ms);
        }
    }

    /// Breaks it, as a wall clock does that jumped.
    pub fn break_down(&self) {
        *self.0.lock() = Err(Failure::Clock("it jumped".into()));
    }
}

impl Clock for SettableClock {
    fn now(&self) -> Result<Timestamp, Failure> {
        self.0.lock().clone()
    }
}
