//! A place in the journal and the way on from it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::ports::{Committed, Failure, Journal};
use crate::system;

/// Reads that may fail in a row.
const TRIES: u32 = 10;
/// Pause before a read that failed is tried again.
const PAUSE: Duration = Duration::from_millis(500);

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
        self.noted(read)
    }

    /// The next entries, one at least, however long they take; nothing where the journal cannot be
    /// read. What is no longer in memory is read on a thread that may block.
    pub async fn more(&mut self, limit: usize) -> Option<Vec<Committed>> {
        loop {
            let (journal, position) = (self.journal.clone(), self.position);
            let read = match journal.recent(position, limit) {
                Some(entries) => Ok(entries),
                None => system::blocking(move || journal.read(position, limit)).await.flatten(),
            };
            match self.noted(read) {
                Ok(entries) if entries.is_empty() => self.wait().await,
                Ok(entries) => return Some(entries),
                Err(failure) => {
                    tracing::error!(reader = ?self.turn, %failure, "the journal cannot be read");
                    if self.is_given_up() {
                        return None;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn noted(&mut self, read: Result<Vec<Committed>, Failure>) -> Result<Vec<Committed>, Failure> {
        match &read {
            Ok(entries) => {
                self.failed = 0;
                self.position = entries.last().map_or(self.position, |last| last.sequence);
            }
            Err(_) => self.failed = self.failed.saturating_add(1),
        }
        read
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
