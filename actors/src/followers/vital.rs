//! A follower that ends unasked, by a panic or because it gives up, must not go unnoticed: what it
//! follows would stall while everything looks well. Each holds this guard as long as it lives.

use std::sync::Arc;
use std::thread;

use crate::house::House;

/// Tells the house when its holder ends before the platform stops.
pub(crate) struct Vital {
    house: Arc<House>,
    name: &'static str,
}

impl Vital {
    /// The guard of a follower.
    pub fn new(house: &Arc<House>, name: &'static str) -> Self {
        Self { house: house.clone(), name }
    }

    /// A follower's work under its guard.
    pub async fn over(house: Arc<House>, name: &'static str, work: impl Future<Output = ()>) {
        let _vital = Self::new(&house, name);
        work.await;
    }
}

impl Drop for Vital {
    fn drop(&mut self) {
        if thread::panicking() || !*self.house.stopping.borrow() {
            tracing::error!(follower = self.name, "a follower has ended: the platform must, too");
            self.house.fallen.send_replace(Some(self.name));
        }
    }
}
