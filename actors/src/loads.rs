//! Loads: the states of actors that wake, read by a few threads that may block, some at a time. A
//! job of its own for each would cost more than the read when a city's sleepers wake at once.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use carbon_protocol::entry::Stream;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::machines::Machine;
use crate::ports::{Failure, Store};
use crate::snapshot::{self, Loaded};

/// Threads that read for one kind of machine at most.
const READERS: usize = 4;
/// States that one of them reads before it looks at the queue again.
const AT_ONCE: usize = 32;

/// A state that is read for an actor.
pub type Given<M> = oneshot::Receiver<Result<Loaded<M>, Failure>>;

/// Whose state is wanted, and where it goes.
type Wanted<M> = (Stream, oneshot::Sender<Result<Loaded<M>, Failure>>);

/// The queue of one kind of machine.
pub struct Loads<M> {
    queue: Arc<Mutex<Queue<M>>>,
}

struct Queue<M> {
    wanted: VecDeque<Wanted<M>>,
    readers: usize,
}

impl<M> Default for Loads<M> {
    fn default() -> Self {
        Self { queue: Arc::new(Mutex::new(Queue { wanted: VecDeque::new(), readers: 0 })) }
    }
}

impl<M: Machine> Loads<M> {
    /// Has a stream's state read. Its room must be taken: nobody else may write meanwhile.
    pub fn want(&self, store: &Arc<dyn Store>, stream: Stream) -> Given<M> {
        let (loaded, given) = oneshot::channel();
        let mut queue = self.queue.lock();
        queue.wanted.push_back((stream, loaded));
        if queue.readers < READERS {
            queue.readers += 1;
            let reader = Reader { queue: self.queue.clone(), store: store.clone() };
            drop(tokio::task::spawn_blocking(move || reader.read()));
        }
        given
    }
}

/// One thread's work.
struct Reader<M> {
    queue: Arc<Mutex<Queue<M>>>,
    store: Arc<dyn Store>,
}

impl<M: Machine> Reader<M> {
    fn read(self) {
        while let Some(mut some) = self.some() {
            // Neighbours lie together.
            some.sort_unstable_by_key(|(stream, _)| *stream);
            for (stream, loaded) in some {
                // An actor that is gone needs no state.
                let _ = loaded.send(self.state(stream));
            }
        }
    }

    /// What to read next. Where there is nothing, the reader ends under the very lock that it has
    /// seen that under: whatever is wanted later finds room for another.
    fn some(&self) -> Option<Vec<Wanted<M>>> {
        let mut queue = self.queue.lock();
        if queue.wanted.is_empty() {
            queue.readers = queue.readers.saturating_sub(1);
            return None;
        }
        let many = queue.wanted.len().min(AT_ONCE);
        Some(queue.wanted.drain(..many).collect())
    }

    /// Over a damaged store sled may panic; others wait for this thread, too.
    fn state(&self, stream: Stream) -> Result<Loaded<M>, Failure> {
        let load = AssertUnwindSafe(|| snapshot::load::<M>(&*self.store, stream));
        let panicked = |_| Err(Failure::Store(format!("reading {stream:?} panicked")));
        catch_unwind(load).unwrap_or_else(panicked)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use carbon_protocol::AppNo;

    use super::*;
    use crate::machines::courier::Courier;
    use crate::ports::{Pair, Put, Tree};
    use crate::twins::MemoryStore;

    /// A store whose first read panics, as sled may over damage.
    #[derive(Default)]
    struct Fragile {
        store: MemoryStore,
        broke: AtomicBool,
    }

    impl Store for Fragile {
        fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
            assert!(self.broke.swap(true, Ordering::AcqRel), "planted");
            self.store.get(tree, key)
        }

        fn scan(
            &self,
            tree: Tree,
            from: &[u8],
            to: &[u8],
            limit: usize,
            reverse: bool,
        ) -> Result<Vec<Pair>, Failure> {
            self.store.scan(tree, from, to, limit, reverse)
        }

        fn put(&self, puts: Vec<Put>) {
            self.store.put(puts);
        }

        fn waiting(&self) -> usize {
            self.store.waiting()
        }

        fn checkpoint(&self, cursors: &[(&str, u64)]) -> Result<(), Failure> {
            self.store.checkpoint(cursors)
        }

        fn cursor(&self, name: &str) -> Result<u64, Failure> {
            self.store.cursor(name)
        }
    }

    async fn wake(loads: &Loads<Courier>, store: &Arc<dyn Store>, many: u16) -> usize {
        let wanted = (1..=many).map(|no| loads.want(store, Stream::Courier(AppNo(no))));
        let given: Vec<Given<Courier>> = wanted.collect();
        let mut states = 0;
        for state in given {
            states += usize::from(state.await.is_ok_and(|state| state.is_ok()));
        }
        states
    }

    async fn readers_end(loads: &Loads<Courier>) {
        while loads.queue.lock().readers > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn everybody_gets_a_state_however_many_wake_at_once() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let loads = Loads::default();
        for many in [1, 500, 1, 33] {
            assert_eq!(wake(&loads, &store, many).await, usize::from(many));
        }
        readers_end(&loads).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_read_that_panics_is_told_to_its_actor_alone() {
        let store: Arc<dyn Store> = Arc::new(Fragile::default());
        let loads = Loads::default();
        assert_eq!(wake(&loads, &store, 200).await, 199);
        readers_end(&loads).await;
    }
}
