//! Followers of the journal: each reads it behind a durable cursor of its own and is safe to
//! repeat. None of them is waited for by a writer.

pub mod acts;
pub mod batches;
mod bills;
pub mod bulletins;
pub(crate) mod deliveries;
pub mod directory;
pub(crate) mod dues;
pub(crate) mod errands;
pub(crate) mod hot;
pub(crate) mod issuing;
pub(crate) mod keeper;
pub mod links;
pub mod models;
mod owed;
pub mod previews;
pub mod projector;
pub mod relay;
pub(crate) mod rendering;
pub(crate) mod router;
mod rows;
pub mod settlements;
#[cfg(test)]
pub(crate) mod stage;
mod sums;
pub mod tail;
#[cfg(test)]
mod tests;
mod vital;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::future::BoxFuture;
use tokio::task::JoinSet;

use crate::house::House;
use crate::ports::Failure;
use crate::recovery::Recovered;
use crate::system;
use vital::Vital;

/// Everything that follows the journal of a running platform.
pub struct Followers {
    house: Arc<House>,
    tasks: JoinSet<()>,
    keeper: keeper::Keeper,
}

impl Followers {
    /// Starts them all behind their cursors.
    pub(crate) fn start(house: &Arc<House>, recovered: &Recovered) -> Result<Self, Failure> {
        let keeper = keeper::Keeper::start(house, recovered.position)?;
        let mut tasks = JoinSet::new();
        let routed = house.positions.router.load(Ordering::Acquire);
        let mut spawn = |name, work: BoxFuture<'static, ()>| {
            tasks.spawn(Vital::over(house.clone(), name, work));
        };
        spawn("router", Box::pin(router::run(house.clone(), routed)));
        spawn("errands", Box::pin(errands::run(house.clone(), recovered.position)));
        spawn("deliveries", Box::pin(deliveries::run(house.clone())));
        spawn("issuing", Box::pin(issuing::run(house.clone())));
        spawn("dues", Box::pin(dues::settle(house.clone())));
        spawn("sweep", Box::pin(dues::sweep(house.clone())));
        let their_house = house.clone();
        let relay = relay::Relay {
            journal: house.ports.journal.clone(),
            store: house.ports.store.clone(),
            view: Arc::new(move || their_house.registry()),
            subscribers: house.ports.subscribers.clone(),
            position: house.positions.relay.clone(),
        };
        let relayed = house.positions.relay.load(Ordering::Acquire);
        spawn("relay", Box::pin(relay.run(relayed, house.stopping())));
        Ok(Self { house: house.clone(), tasks, keeper })
    }

    /// Resolves with the name of a follower that has ended unasked. The process is to end then: the
    /// next start begins behind the follower's cursor.
    pub async fn fallen(&self) -> &'static str {
        let mut fallen = self.house.fallen.subscribe();
        // The house, which holds the other end, is ours.
        match fallen.wait_for(Option::is_some).await.map(|name| *name) {
            Ok(Some(name)) => name,
            _ => std::future::pending().await,
        }
    }

    /// Stops in order: nothing new is begun, writers end, what they wrote is folded and
    /// checkpointed.
    pub async fn stop(self) {
        let Self { house, mut tasks, keeper } = self;
        house.stopping.send_replace(true);
        while tasks.join_next().await.is_some() {}
        if system::blocking(move || house.lanes.stop()).await.is_err() {
            tracing::error!("the arbiters could not be stopped");
        }
        keeper.stop().await;
    }
}
