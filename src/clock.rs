//! The wall clock, watched: beside a clock that cannot be set it shows when it was. A jump beyond
//! the limit stops writing until an operator has looked and starts the platform again; a ratchet
//! would let every point expire instead.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use carbon_actors::ports::{Clock, Failure};
use carbon_protocol::Timestamp;
use parking_lot::Mutex;
use serde::Deserialize;

/// How far the clock may jump.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Largest jump between two looks, in milliseconds.
    pub jump_ms: i64,
}

/// The system's clock.
pub struct SystemClock {
    jump_ms: i64,
    seen: Mutex<Seen>,
}

#[derive(Clone, Copy)]
struct Seen {
    wall: i64,
    steady: Instant,
    jumped: bool,
}

impl SystemClock {
    /// Trusts the clock as it is now.
    pub fn new(config: &Config) -> Self {
        let seen = Seen { wall: wall(), steady: Instant::now(), jumped: false };
        Self { jump_ms: config.jump_ms, seen: Mutex::new(seen) }
    }

    fn look(&self, wall: i64, steady: Instant) -> Result<Timestamp, Failure> {
        let mut seen = self.seen.lock();
        let passed = steady.saturating_duration_since(seen.steady).as_millis();
        let expected = seen.wall.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX));
        let jump = wall.saturating_sub(expected);
        if jump.saturating_abs() > self.jump_ms && !seen.jumped {
            seen.jumped = true;
            tracing::error!(jump_ms = jump, "the wall clock jumped: writing is paused");
        }
        if seen.jumped {
            return Err(Failure::Clock("it jumped: check it and start again".into()));
        }
        *seen = Seen { wall, steady, jumped: false };
        Ok(Timestamp(wall))
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Result<Timestamp, Failure> {
        self.look(wall(), Instant::now())
    }
}

fn wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn small_steps_are_followed_and_a_jump_stops_it_for_good() {
        let clock = SystemClock::new(&Config { jump_ms: 1_000 });
        let (wall, steady) = {
            let seen = clock.seen.lock();
            (seen.wall, seen.steady)
        };
        let later = |seconds| steady + Duration::from_secs(seconds);
        assert_eq!(clock.look(wall + 1_900, later(1)).unwrap(), Timestamp(wall + 1_900));
        assert_eq!(clock.look(wall + 2_000, later(2)).unwrap(), Timestamp(wall + 2_000));
        assert!(clock.look(wall + 4_500, later(3)).is_err(), "a jump of a second and a half");
        assert!(clock.look(wall + 3_000, later(3)).is_err(), "still, until the next start");
    }

    #[test]
    fn a_step_back_is_a_jump() {
        let clock = SystemClock::new(&Config { jump_ms: 1_000 });
        let seen = *clock.seen.lock();
        assert!(clock.look(seen.wall - 5_000, seen.steady).is_err());
    }
}
