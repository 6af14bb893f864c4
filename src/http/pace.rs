//! Pace: how many requests a second one application may make; a bucket each.

use std::collections::HashMap;

use carbon_protocol::{AppNo, Timestamp};
use parking_lot::Mutex;

/// Thousandths of a request: a rate of one a second fills one in a millisecond.
const ONE: u64 = 1000;

/// Buckets that hold a second's worth of requests and fill evenly.
#[derive(Debug)]
pub struct Pace {
    per_second: u64,
    buckets: Mutex<HashMap<AppNo, Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    level: u64,
    at: i64,
}

impl Pace {
    /// At most this many requests a second and application.
    pub fn new(per_second: u32) -> Self {
        Self { per_second: u64::from(per_second.max(1)), buckets: Mutex::default() }
    }

    /// The limit.
    pub fn per_second(&self) -> u64 {
        self.per_second
    }

    /// Takes one request's worth; false where there is none left.
    pub fn take(&self, app: AppNo, now: Timestamp) -> bool {
        let full = self.per_second * ONE;
        let mut buckets = self.buckets.lock();
        let bucket = buckets.entry(app).or_insert(Bucket { level: full, at: now.0 });
        let passed = u64::try_from(now.0.saturating_sub(bucket.at)).unwrap_or(0);
        bucket.level =
            bucket.level.saturating_add(passed.saturating_mul(self.per_second)).min(full);
        bucket.at = now.0;
        match bucket.level.checked_sub(ONE) {
            Some(left) => {
                bucket.level = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_evenly() {
        let pace = Pace::new(2);
        let at = |ms: i64| Timestamp(1_000_000 + ms);
        assert!(pace.take(AppNo(1), at(0)));
        assert!(pace.take(AppNo(1), at(0)));
        assert!(!pace.take(AppNo(1), at(0)));
        assert!(pace.take(AppNo(2), at(0)), "applications do not share a bucket");
        assert!(!pace.take(AppNo(1), at(400)));
        assert!(pace.take(AppNo(1), at(500)));
        assert!(!pace.take(AppNo(1), at(500)));
        assert!(!pace.take(AppNo(1), at(100)), "a clock that goes back gives nothing");
    }
}
