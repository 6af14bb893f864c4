//! Lanes: one arbiter (a thread with its loop) per core. Work crosses threads in groups: one
//! message per lane with the commands for its accounts, handed on locally.

use std::sync::{Arc, Weak};

use actix::{Arbiter, ArbiterHandle};
use carbon_protocol::entry::Stream;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::house::House;
use crate::machines::account::Account;
use crate::ports::{Bus, Delivery, Failure, Journal, Parcel};
use crate::refusal::Refusal;
use crate::shell::Ask;
use crate::{scribe, system};

/// Threads of one arbiter that may block on the store.
const BLOCKING_THREADS: usize = 4;

type Group = (Vec<Parcel>, oneshot::Sender<Vec<Delivery>>);

/// The arbiters, each with the queue of its lane.
pub struct Lanes {
    partitions: u16,
    arbiters: Vec<ArbiterHandle>,
    queues: Vec<mpsc::Sender<Group>>,
    /// Receivers until the house is there to serve them.
    unserved: Mutex<Vec<mpsc::Receiver<Group>>>,
    joins: Mutex<Vec<Arbiter>>,
}

impl Lanes {
    /// Starts `count` arbiters with a scribe each. Must run inside an actix system.
    pub fn start(
        count: usize,
        partitions: u16,
        queue_groups: usize,
        group_entries: usize,
        journal: &Arc<dyn Journal>,
    ) -> Self {
        let mut lanes = Self {
            partitions,
            arbiters: Vec::new(),
            queues: Vec::new(),
            unserved: Mutex::default(),
            joins: Mutex::default(),
        };
        for _ in 0..count.max(1) {
            let handle = lanes.arbiter();
            let journal = journal.clone();
            handle.spawn_fn(move || scribe::seat(journal, group_entries));
            let (sender, receiver) = mpsc::channel(queue_groups);
            lanes.arbiters.push(handle);
            lanes.queues.push(sender);
            lanes.unserved.lock().push(receiver);
        }
        lanes
    }

    /// An arbiter for one more lane: a new one, or the only one of a thread that is alone.
    fn arbiter(&self) -> ArbiterHandle {
        if system::is_alone() {
            return Arbiter::current();
        }
        let arbiter = Arbiter::with_tokio_rt(|| {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().max_blocking_threads(BLOCKING_THREADS).build();
            #[allow(clippy::expect_used)] // at start, with nothing to lose
            runtime.expect("a thread's own runtime: the system is out of files")
        });
        let handle = arbiter.handle();
        self.joins.lock().push(arbiter);
        handle
    }

    /// How many lanes there are.
    pub fn count(&self) -> usize {
        self.arbiters.len()
    }

    /// The lane of a stream: its partition, dealt to the arbiters.
    pub fn lane_of(&self, stream: &Stream) -> usize {
        usize::from(stream.partition(self.partitions)) % self.arbiters.len()
    }

    /// The arbiter of a stream.
    pub fn arbiter_of(&self, stream: &Stream) -> &ArbiterHandle {
        &self.arbiters[self.lane_of(stream)]
    }

    /// Begins to serve the lanes' queues.
    pub(crate) fn serve(&self, house: &Arc<House>) {
        for (arbiter, receiver) in self.arbiters.iter().zip(self.unserved.lock().drain(..)) {
            let house = Arc::downgrade(house);
            arbiter.spawn(serve(house, receiver));
        }
    }

    /// Hands a group to a lane.
    pub fn hand(
        &self,
        lane: usize,
        parcels: Vec<Parcel>,
    ) -> Result<oneshot::Receiver<Vec<Delivery>>, Failure> {
        let queue = self.queues.get(lane).ok_or(Failure::Bus("no such lane".into()))?;
        let (done, deliveries) = oneshot::channel();
        queue.try_send((parcels, done)).map_err(|_| Failure::Busy("lane"))?;
        Ok(deliveries)
    }

    /// Stops the arbiters and waits for their threads.
    pub fn stop(&self) {
        for arbiter in self.joins.lock().drain(..) {
            arbiter.stop();
            if arbiter.join().is_err() {
                tracing::error!("an arbiter's thread panicked");
            }
        }
    }
}

async fn serve(house: Weak<House>, mut groups: mpsc::Receiver<Group>) {
    while let Some((parcels, done)) = groups.recv().await {
        let Some(house) = house.upgrade() else { return };
        // The next group starts while this one waits for the journal.
        actix::spawn(async move {
            let answers: Vec<_> = parcels.into_iter().map(|parcel| post(&house, parcel)).collect();
            let mut deliveries = Vec::with_capacity(answers.len());
            for answer in answers {
                deliveries.push(delivery(answer.await.unwrap_or(Err(Failure::Stopping.into()))));
            }
            // Whoever gave the group and does not wait any more gives it again.
            let _ = done.send(deliveries);
        });
    }
}

type AccountAnswer = crate::shell::Answer<Account>;

fn post(house: &Arc<House>, parcel: Parcel) -> oneshot::Receiver<AccountAnswer> {
    let (reply, answer) = oneshot::channel();
    let ask = Ask { command: parcel.command, reply, internal: true };
    house.accounts.send(house, Stream::Account(parcel.account), ask);
    answer
}

fn delivery(answer: AccountAnswer) -> Delivery {
    match answer {
        // A refusal of a routed command is final, too: asked again it would be the same.
        Ok(_) | Err(Refusal::No(_)) => Delivery::Done,
        Err(Refusal::Broken(Failure::Invariant(_))) => Delivery::Quarantined,
        Err(Refusal::Broken(_)) => Delivery::Again,
    }
}

/// The bus within one process.
pub struct InProcessBus(Arc<Lanes>);

impl InProcessBus {
    /// A bus over these lanes.
    pub fn new(lanes: Arc<Lanes>) -> Self {
        Self(lanes)
    }
}

impl Bus for InProcessBus {
    fn deliver(
        &self,
        lane: usize,
        parcels: Vec<Parcel>,
    ) -> BoxFuture<'static, Result<Vec<Delivery>, Failure>> {
        let handed = self.0.hand(lane, parcels);
        Box::pin(async move { handed?.await.map_err(|_| Failure::Stopping) })
    }
}
