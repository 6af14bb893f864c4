//! Calls that never came to a definite answer: asked again after the run with the same serials,
//! until it is known what became of them. Only then can books be compared.

use parking_lot::Mutex;

use super::journeys::batch::Batch;
use super::journeys::orders::Step;

/// Most open ends that are kept; beyond, their citizens are left out of the comparison.
const KEPT: usize = 20_000;

/// One of them.
#[derive(Debug, Clone)]
pub enum OpenEnd {
    /// A batch.
    Batch(Batch),
    /// An action on an order.
    Order(Step),
}

/// All of them.
#[derive(Default)]
pub struct OpenEnds(Mutex<Vec<OpenEnd>>);

impl OpenEnds {
    /// Keeps one; false where there are too many already.
    pub fn keep(&self, end: OpenEnd) -> bool {
        let mut ends = self.0.lock();
        if ends.len() >= KEPT {
            return false;
        }
        ends.push(end);
        true
    }

    /// Takes all.
    pub fn take(&self) -> Vec<OpenEnd> {
        std::mem::take(&mut self.0.lock())
    }
}
