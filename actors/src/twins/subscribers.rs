//! Subscribers that keep what they are told.

use futures::future::BoxFuture;
use parking_lot::Mutex;

use super::Faults;
use crate::ports::{Bulletin, Failure, Subscribers};

/// [`Subscribers`] that collect.
#[derive(Debug, Default)]
pub struct CollectingSubscribers {
    faults: Faults,
    published: Mutex<Vec<Bulletin>>,
}

impl CollectingSubscribers {
    /// The next `calls` fail and collect nothing.
    pub fn fail_next(&self, calls: usize) {
        self.faults.plan(calls);
    }

    /// Everything published so far, repetitions included.
    pub fn published(&self) -> Vec<Bulletin> {
        self.published.lock().clone()
    }
}

impl Subscribers for CollectingSubscribers {
    fn publish(&self, bulletins: Vec<Bulletin>) -> BoxFuture<'static, Result<(), Failure>> {
        let answer = if self.faults.strike() {
            Err(Failure::Bus("told to fail".into()))
        } else {
            self.published.lock().extend(bulletins);
            Ok(())
        };
        Box::pin(std::future::ready(answer))
    }
}
