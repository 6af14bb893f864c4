//! The keeper: two loops that may block. One folds entries into the read models, the other makes
//! the store durable and only then moves the cursors. Each has a thread; where there is only one
//! thread, they are tasks on it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task;

use crate::followers::projector::{Projected, Projector};
use crate::followers::tail::{Tail, Turn};
use crate::followers::vital::Vital;
use crate::house::House;
use crate::ports::{Committed, Failure};
use crate::system;

/// Entries folded between two looks at the position.
const READ: usize = 512;
/// Pause after the journal or the store failed.
const PAUSE: Duration = Duration::from_millis(500);
/// Checkpoints that may fail in a row before the keeper gives up.
const TRIES: u32 = 20;

/// The keeper's loops. They end after everybody who writes has ended.
pub struct Keeper {
    folding: Loop,
    /// Turns false when nobody writes any more; dropped, it says the same.
    writers: watch::Sender<bool>,
    checkpointing: Loop,
    /// Turns false when nothing is folded any more; dropped, it says the same.
    folders: watch::Sender<bool>,
}

/// Where a loop runs.
enum Loop {
    Thread(JoinHandle<()>),
    Task(task::JoinHandle<()>),
}

impl Loop {
    fn start(
        house: &Arc<House>,
        name: &'static str,
        work: BoxFuture<'static, ()>,
    ) -> Result<Self, Failure> {
        let work = Vital::over(house.clone(), name, work);
        if system::is_alone() {
            return Ok(Self::Task(tokio::spawn(work)));
        }
        let runtime = Handle::current();
        let thread = thread::Builder::new().name(name.into());
        let started = thread.spawn(move || runtime.block_on(work));
        started.map(Self::Thread).map_err(|error| Failure::Store(error.to_string()))
    }

    async fn ended(self) {
        let ended = match self {
            Self::Thread(thread) => {
                matches!(system::blocking(move || thread.join().is_ok()).await, Ok(true))
            }
            Self::Task(task) => task.await.is_ok(),
        };
        if !ended {
            tracing::error!("a loop of the keeper panicked");
        }
    }
}

impl Keeper {
    /// Starts both loops behind a position.
    pub fn start(house: &Arc<House>, from: u64) -> Result<Self, Failure> {
        let (writers, writing) = watch::channel(true);
        let fold = Fold { house: house.clone(), writing };
        let folding = Loop::start(house, "projector", Box::pin(fold.run(from)))?;
        let (folders, folded) = watch::channel(true);
        let checkpoints = checkpoints(house.clone(), folded);
        let checkpointing = Loop::start(house, "keeper", Box::pin(checkpoints))?;
        Ok(Self { folding, writers, checkpointing, folders })
    }

    /// Folds what is left, then writes the last checkpoint. What becomes durable in between (a
    /// group that the journal still had in its hands) is replayed at the next start.
    pub async fn stop(self) {
        self.writers.send_replace(false);
        self.folding.ended().await;
        self.folders.send_replace(false);
        self.checkpointing.ended().await;
    }
}

struct Fold {
    house: Arc<House>,
    writing: watch::Receiver<bool>,
}

impl Fold {
    async fn run(mut self, from: u64) {
        let ports = self.house.ports.clone();
        let mut projector = Projector::new(ports.store.clone(), self.house.directory.clone());
        let mut tail = Tail::new(ports.journal.clone(), from, Turn::Projector);
        loop {
            let writing = is_on(&self.writing);
            match tail.next(READ) {
                Ok(entries) if entries.is_empty() && !writing => return,
                Ok(entries) if entries.is_empty() => tokio::select! {
                    biased;
                    _ = self.writing.changed() => {}
                    () = tail.wait() => {}
                },
                Ok(entries) => {
                    if !self.fold(&mut projector, &entries).await {
                        return;
                    }
                }
                Err(failure) => {
                    tracing::error!(%failure, "the projector cannot read the journal");
                    if tail.is_given_up() {
                        return;
                    }
                    system::pause(PAUSE).await;
                }
            }
        }
    }

    /// Folds entries, however often the store must be asked; false where it is damaged.
    async fn fold(&self, projector: &mut Projector, entries: &[Committed]) -> bool {
        let Some(last) = entries.last() else { return true };
        let projected = loop {
            match projector.project(entries) {
                Ok(projected) => break projected,
                Err(failure @ Failure::Damaged(_)) => {
                    tracing::error!(%failure, "the projector gives up");
                    return false;
                }
                Err(failure) => {
                    let sequence = last.sequence;
                    tracing::error!(%failure, sequence, "entries cannot be projected");
                    system::pause(PAUSE).await;
                }
            }
        };
        let Projected { puts, touched_feeds, .. } = projected;
        self.house.ports.store.put(puts);
        self.house.positions.projector.send_replace(last.sequence);
        for (app, kind) in touched_feeds {
            self.house.bells.feed(app, kind).notify_one();
        }
        true
    }
}

/// Whether those before may still go on.
fn is_on(before: &watch::Receiver<bool>) -> bool {
    *before.borrow() && before.has_changed().is_ok()
}

async fn checkpoints(house: Arc<House>, mut folding: watch::Receiver<bool>) {
    let pause = Duration::from_millis(house.limits.checkpoint_ms);
    let (mut before, mut failed) = ([0; 3], 0);
    loop {
        tokio::select! {
            // First: a runtime's timers may end before this does.
            biased;
            _ = folding.changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
        let last = !is_on(&folding);
        // Positions first: the store may be ahead of a cursor, never behind it.
        let positions = &house.positions;
        let projector = *positions.projector.borrow();
        let router = positions.router.load(Ordering::Acquire);
        let relay = positions.relay.load(Ordering::Acquire);
        let now = [projector, router, relay];
        if now != before || house.ports.store.waiting() > 0 {
            let cursors = [("projector", projector), ("router", router), ("relay", relay)];
            match house.ports.store.checkpoint(&cursors) {
                Ok(()) => {
                    positions.floor.store(router, Ordering::Release);
                    before = now;
                    failed = 0;
                }
                // It comes back with the room; meanwhile everything is in memory and the journal.
                Err(failure @ Failure::Full(_)) => {
                    tracing::warn!(%failure, "no checkpoint");
                    system::pause(PAUSE).await;
                }
                Err(failure) => {
                    tracing::error!(%failure, "no checkpoint");
                    failed += 1;
                    if failed >= TRIES || matches!(failure, Failure::Damaged(_)) {
                        return;
                    }
                    system::pause(PAUSE).await;
                }
            }
        }
        if last {
            return;
        }
    }
}
