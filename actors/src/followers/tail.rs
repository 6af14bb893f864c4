//! A place in the journal and the way on from it.

use std::sync::Arc;

use tokio::sync::watch;

use crate::ports::{Committed, Failure, Journal};
use crate::system;

/// Reads that may fail in a row.
const TRIES: u32 = 10;

/// Whose turn it is when there is more to read: see [`system::in_turn`].
#[derive(Debug, Clone, Copy)]
pub enum Turn {
    /// The projector's.
    Projector,
    /// The router's.
    Router,
    /// The errand runner's.
    Errands,
    /// The relay's.
    Relay,
}

/// Reads on behind a position. Fresh entries come from memory, shared by all followers.
pub struct Tail {
    journal: Arc<dyn Journal>,
    durable: watch::Receiver<u64>,
    position: u64,
    turn: Turn,
    /// Reads that failed since the last one that did not.
    failed: u32,
}

impl Tail {
    /// Begins behind `after`.
    pub fn new(journal: Arc<dyn Journal>, after: u64, turn: Turn) -> Self {
        let durable = journal.durable();
        Self { journal, durable, position: after, turn, failed: 0 }
    }

    /// The last sequence that was read.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether so many reads in a row have failed that it is no passing trouble: then a follower
    /// ends, and the next start looks at the journal as a whole.
    pub fn is_given_up(&self) -> bool {
        self.failed >= TRIES
    }

    /// What there is, at most `limit` entries; nothing where all was read. Blocks on the disk where
    /// the entries are no longer in memory.
    pub fn next(&mut self, limit: usize) -> Result<Vec<Committed>, Failure> {
        if *self.durable.borrow() <= self.position {
            return Ok(Vec::new());
        }
        let read = self.journal.read(self.position, limit);
        match &read {
            Ok(entries) => self.passed(entries),
            Err(_) => self.failed = self.failed.saturating_add(1),
        }
        read
    }

    /// Notes what was read.
    fn passed(&mut self, entries: &[Committed]) {
        self.failed = 0;
        self.position = entries.last().map_or(self.position, |last| last.sequence);
    }

    /// As [`Tail::next`]; what is no longer in memory is read on a thread that may block.
    pub async fn read(self, limit: usize) -> (Result<Vec<Committed>, Failure>, Self) {
        let (journal, position) = (self.journal.clone(), self.position);
        let (turn, failed) = (self.turn, self.failed);
        let mut tail = self;
        if let Some(entries) = journal.recent(position, limit) {
            tail.passed(&entries);
            return (Ok(entries), tail);
        }
        let read = system::blocking(move || (tail.next(limit), tail));
        match read.await {
            Ok(done) => done,
            Err(failure) => {
                let failed = failed.saturating_add(1);
                (Err(failure), Self { failed, ..Self::new(journal, position, turn) })
            }
        }
    }

    /// Resolves when there is more.
    pub async fn wait(&mut self) {
        let position = self.position;
        // It ends only with the journal itself; then nothing more comes.
        if self.durable.wait_for(|durable| *durable > position).await.is_err() {
            std::future::pending::<()>().await;
        }
        system::in_turn(self.turn as u64).await;
    }
}
