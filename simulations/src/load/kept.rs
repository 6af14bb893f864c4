//! Some of what was acknowledged, kept to be sent once more after the run.

use parking_lot::Mutex;

use super::journeys::batch::Batch;
use super::journeys::orders::Step;

/// Batches that are kept.
const BATCHES: usize = 20;
/// Order actions that are kept.
const STEPS: usize = 200;

/// The first batches and order actions of a run.
#[derive(Default)]
pub struct Kept(Mutex<(Vec<Batch>, Vec<Step>)>);

impl Kept {
    /// Keeps a batch, if there is room.
    pub fn batch(&self, batch: &Batch) {
        let mut kept = self.0.lock();
        if kept.0.len() < BATCHES {
            kept.0.push(batch.clone());
        }
    }

    /// Keeps a step, if there is room.
    pub fn step(&self, step: &Step) {
        let mut kept = self.0.lock();
        if kept.1.len() < STEPS {
            kept.1.push(step.clone());
        }
    }

    /// Takes all.
    pub fn take(&self) -> (Vec<Batch>, Vec<Step>) {
        std::mem::take(&mut self.0.lock())
    }
}
