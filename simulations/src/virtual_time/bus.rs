//! The bus of the virtual world: it loses, doubles, delays and shuffles what it carries.

use std::sync::Arc;
use std::time::Duration;

use carbon_actors::lanes::{InProcessBus, Lanes};
use carbon_actors::platform::Wires;
use carbon_actors::ports::{Bus, Delivery, Failure, Parcel};
use futures::future::BoxFuture;

use super::world::World;

/// How long an answer is waited for.
const TIME_OUT: Duration = Duration::from_secs(2);
/// The longest that a late copy is under way, in milliseconds.
const LATE_MS: u64 = 60_000;

/// Wires over a bus that cannot be relied on.
pub fn wires(world: Arc<World>) -> Wires {
    Wires::Bus(Box::new(move |lanes: Arc<Lanes>| {
        let sound = Arc::new(InProcessBus::new(lanes));
        let bus: Arc<dyn Bus> = Arc::new(Rickety { world, sound });
        Box::pin(std::future::ready(Ok(bus)))
    }))
}

#[derive(Clone)]
struct Rickety {
    world: Arc<World>,
    sound: Arc<InProcessBus>,
}

impl Rickety {
    /// Delivers a copy some time from now; nobody waits for what comes of it.
    fn copy(&self, lane: usize, parcels: &[Parcel], within_ms: u64) {
        let (bus, parcels) = (self.clone(), parcels.to_vec());
        tokio::spawn(async move {
            bus.world.wait(0..=within_ms).await;
            if bus.world.step() {
                drop(bus.sound.deliver(lane, parcels).await);
            }
        });
    }

    async fn carry(self, lane: usize, parcels: Vec<Parcel>) -> Result<Vec<Delivery>, Failure> {
        let (world, faults) = (&self.world, &self.world.scenario.faults);
        world.wait(0..=20).await;
        let lost = || Failure::Bus("no answer".into());
        if !world.step() || world.strikes(faults.bus_lost) {
            tokio::time::sleep(TIME_OUT).await;
            return Err(lost());
        }
        if world.strikes(faults.bus_doubled) {
            self.copy(lane, &parcels, 5);
        }
        if world.strikes(faults.bus_late) {
            self.copy(lane, &parcels, LATE_MS);
        }
        let mut order: Vec<usize> = (0..parcels.len()).collect();
        if world.strikes(faults.bus_shuffled) {
            (1..order.len()).for_each(|last| order.swap(last, world.pick(last + 1)));
        }
        let shuffled = order.iter().map(|place| parcels[*place].clone()).collect();
        let deliveries = self.sound.deliver(lane, shuffled).await?;
        world.wait(0..=20).await;
        if !world.step() || world.strikes(faults.bus_unanswered) {
            tokio::time::sleep(TIME_OUT).await;
            return Err(lost());
        }
        let mut in_order: Vec<_> = order.into_iter().zip(deliveries).collect();
        in_order.sort_by_key(|(place, _)| *place);
        Ok(in_order.into_iter().map(|(_, delivery)| delivery).collect())
    }
}

impl Bus for Rickety {
    fn deliver(
        &self,
        lane: usize,
        parcels: Vec<Parcel>,
    ) -> BoxFuture<'static, Result<Vec<Delivery>, Failure>> {
        Box::pin(self.clone().carry(lane, parcels))
    }
}
