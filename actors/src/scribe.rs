//! One arbiter's scribe: collects what its actors append in one turn of the loop and hands it to
//! the journal as one group. One request and one completion per turn, not per account.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::ports::{Append, Failure, Journal};

thread_local! {
    /// The scribe of this thread's arbiter: the one that was seated last. An arbiter belongs to one
    /// house for life, but a thread that is alone sees one house after the other.
    static SCRIBE: RefCell<Option<Rc<Scribe>>> = const { RefCell::new(None) };
}

/// What becomes of one append: its sequence, once durable.
pub type Outcome = oneshot::Receiver<Result<u64, Failure>>;

/// Who waits for an append.
type Waiter = oneshot::Sender<Result<u64, Failure>>;

struct Scribe {
    journal: Arc<dyn Journal>,
    group_entries: usize,
    waiting: RefCell<Vec<(Append, Waiter)>>,
    called: Cell<bool>,
}

/// Seats a scribe on this thread. Called once, when the arbiter starts.
pub fn seat(journal: Arc<dyn Journal>, group_entries: usize) {
    let (waiting, called) = (RefCell::default(), Cell::new(false));
    let scribe = Rc::new(Scribe { journal, group_entries, waiting, called });
    SCRIBE.with_borrow_mut(|seat| *seat = Some(scribe));
}

/// Appends an entry with all the others of this turn of the loop.
pub fn append(entry: Append) -> Outcome {
    let (done, outcome) = oneshot::channel();
    SCRIBE.with_borrow(|seat| match seat {
        Some(scribe) => scribe.take(entry, done),
        // A send can only fail where nobody waits for it any more.
        None => drop(done.send(Err(Failure::Journal("no scribe on this thread".into())))),
    });
    outcome
}

impl Scribe {
    fn take(self: &Rc<Self>, entry: Append, done: Waiter) {
        self.waiting.borrow_mut().push((entry, done));
        if self.waiting.borrow().len() >= self.group_entries {
            self.hand_over();
        } else if !self.called.replace(true) {
            let scribe = self.clone();
            actix::spawn(async move {
                // Everything that is ready to run has run before this task is polled again.
                tokio::task::yield_now().await;
                scribe.called.set(false);
                scribe.hand_over();
            });
        }
    }

    /// Hands the group over; does not wait for the one before, which is still being written.
    fn hand_over(&self) {
        let (group, waiters): (Vec<_>, Vec<_>) = self.waiting.borrow_mut().drain(..).unzip();
        if group.is_empty() {
            return;
        }
        let durable = self.journal.append(group);
        actix::spawn(async move {
            let outcome = durable.await.unwrap_or(Err(Failure::Stopping));
            for (place, waiter) in (0_u64..).zip(waiters) {
                // Who has stopped waiting will find the entry when it loads again.
                let _ = waiter.send(outcome.clone().map(|first| first + place));
            }
        });
    }
}
