//! Pace: how many requests a second one sender may make; a bucket each.

use std::collections::HashMap;
use std::hash::Hash;

use parking_lot::Mutex;

/// Thousandths of a request: a rate of one a second fills one in a millisecond.
const ONE: u64 = 1000;
/// Senders that are remembered at a time. A bucket is full after a second of silence and then
/// forgotten, so there are never more than there were senders within a second.
const SENDERS: usize = 100_000;

/// Buckets that hold a second's worth of requests and fill evenly.
#[derive(Debug)]
pub struct Pace<K> {
    per_second: u64,
    most: usize,
    buckets: Mutex<HashMap<K, Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    level: u64,
    at: i64,
}

impl Bucket {
    fn fill(&mut self, per_second: u64, now_ms: i64) {
        let passed = u64::try_from(now_ms.saturating_sub(self.at)).unwrap_or(0);
        let level = self.level.saturating_add(passed.saturating_mul(per_second));
        *self = Self { level: level.min(per_second * ONE), at: now_ms };
    }
}

impl<K: Eq + Hash> Pace<K> {
    /// At most this many requests a second and sender.
    pub fn new(per_second: u32) -> Self {
        let per_second = u64::from(per_second.max(1));
        Self { per_second, most: SENDERS, buckets: Mutex::default() }
    }

    /// The limit.
    pub fn per_second(&self) -> u64 {
        self.per_second
    }

    /// Takes one request's worth; false where there is none left.
    pub fn take(&self, sender: K, now_ms: i64) -> bool {
        let full = self.per_second * ONE;
        let mut buckets = self.buckets.lock();
        if buckets.len() >= self.most && !buckets.contains_key(&sender) {
            buckets.retain(|_, bucket| {
                bucket.fill(self.per_second, now_ms);
                bucket.level < full
            });
            if buckets.len() >= self.most {
                return false;
            }
        }
        let bucket = buckets.entry(sender).or_insert(Bucket { level: full, at: now_ms });
        bucket.fill(self.per_second, now_ms);
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
        let at = |ms: i64| 1_000_000 + ms;
        assert!(pace.take(1, at(0)));
        assert!(pace.take(1, at(0)));
        assert!(!pace.take(1, at(0)));
        assert!(pace.take(2, at(0)), "senders do not share a bucket");
        assert!(!pace.take(1, at(400)));
        assert!(pace.take(1, at(500)));
        assert!(!pace.take(1, at(500)));
        assert!(!pace.take(1, at(100)), "a clock that goes back gives nothing");
    }

    #[test]
    fn senders_are_forgotten_once_their_bucket_is_full_and_never_before() {
        let pace = Pace { most: 2, ..Pace::new(1) };
        assert!(pace.take("a", 0) && pace.take("b", 500));
        assert!(!pace.take("c", 600), "there is no room: nobody is forgotten for a newcomer");
        assert!(!pace.take("a", 600), "and nobody gets a fresh bucket by it");
        assert!(pace.take("c", 1600), "both have been silent for a second");
        assert_eq!(pace.buckets.lock().len(), 1);
    }
}
