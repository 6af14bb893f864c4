//! When submitted records are decided by their accounts, told from outside: `/readyz` says how far
//! the journal is durable and how far its slowest follower lags behind. A batch was durable before
//! its receipt; so once the followers have passed what was durable at the first look after the
//! receipt, all of its rows are decided. The looks are a tenth of a second apart, and a batch is
//! never called decided too early.

use std::collections::VecDeque;
use std::time::Instant;

use parking_lot::Mutex;

/// Batches with a receipt that wait for their accounts.
#[derive(Default)]
pub struct Decided(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    /// Since the last look.
    fresh: Vec<Batch>,
    /// With the sequence that must be passed, in its order.
    placed: VecDeque<(u64, Batch)>,
    records: u64,
}

/// A batch with its receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// When it should have been sent.
    pub due: Instant,
    /// Rows that its accounts decide.
    pub records: u64,
}

impl Decided {
    /// A receipt has come.
    pub fn receipt(&self, batch: Batch) {
        self.0.lock().fresh.push(batch);
    }

    /// Begins a look: the batches that it will be about.
    pub fn look(&self) -> Vec<Batch> {
        std::mem::take(&mut self.0.lock().fresh)
    }

    /// Ends a look: what was found, and which batches are decided.
    pub fn looked(&self, fresh: Vec<Batch>, durable: u64, lag: u64) -> Vec<Batch> {
        let mut waiting = self.0.lock();
        waiting.placed.extend(fresh.into_iter().map(|batch| (durable, batch)));
        let passed = durable.saturating_sub(lag);
        let mut decided = Vec::new();
        while waiting.placed.front().is_some_and(|(place, _)| *place <= passed) {
            decided.extend(waiting.placed.pop_front().map(|(_, batch)| batch));
        }
        waiting.records += decided.iter().map(|batch| batch.records).sum::<u64>();
        decided
    }

    /// Batches that still wait.
    pub fn waiting(&self) -> usize {
        let waiting = self.0.lock();
        waiting.fresh.len() + waiting.placed.len()
    }

    /// Records decided so far.
    pub fn records(&self) -> u64 {
        self.0.lock().records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_decided_once_the_followers_have_passed_it() {
        let (decided, due) = (Decided::default(), Instant::now());
        let batch = |records| Batch { due, records };
        decided.receipt(batch(10));
        let fresh = decided.look();
        decided.receipt(batch(5));
        assert_eq!(decided.looked(fresh, 100, 40), []);
        let fresh = decided.look();
        assert_eq!(decided.looked(fresh, 130, 30), [batch(10)]);
        assert_eq!(decided.waiting(), 1);
        let fresh = decided.look();
        assert_eq!(decided.looked(fresh, 131, 0), [batch(5)]);
        assert_eq!((decided.waiting(), decided.records()), (0, 15));
    }

    #[test]
    fn a_batch_that_came_during_a_look_waits_for_the_next() {
        let decided = Decided::default();
        let fresh = decided.look();
        decided.receipt(Batch { due: Instant::now(), records: 1 });
        assert_eq!(decided.looked(fresh, 7, 0), []);
        assert_eq!(decided.waiting(), 1);
    }
}
