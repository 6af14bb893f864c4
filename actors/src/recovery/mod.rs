//! Recovery: the journal's tail applied to what the store has, at every start; the whole journal
//! applied to an empty store, when the store is lost; and the audits that need no store at all.

mod audit;
mod compare;
mod replica;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use carbon_protocol::entry::Stream;

pub use audit::{Audit, Verified, verify};
pub use compare::{Difference, compare};

use crate::followers::directory::Directory;
use crate::followers::hot::Hot;
use crate::followers::projector::Projector;
use crate::ports::{Committed, Failure, Journal, Store, Tree};
use replica::Replica;

/// The cursor behind which snapshots and read models may be old.
pub const CURSOR: &str = "projector";

/// Entries read at once.
const READ: usize = 512;
/// Machines kept in memory, twice at most.
const MACHINES: usize = 20_000;
/// Unwritten keys above which a checkpoint is made on the way.
const UNWRITTEN: usize = 200_000;

/// Where the store stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// The last entry that is in it.
    pub position: u64,
    /// Entries that were replayed.
    pub replayed: u64,
}

/// Brings the store up to the journal's end and fills the directory. Refuses, with what to do,
/// where journal and store do not belong together.
pub fn recover(
    journal: Arc<dyn Journal>,
    store: Arc<dyn Store>,
    directory: Arc<Directory>,
) -> Result<Recovered, Failure> {
    let position = store.cursor(CURSOR)?;
    let (first, durable) = (journal.first(), *journal.durable().borrow());
    if position > durable {
        return Err(Failure::Journal(format!(
            "the store has read the journal up to {position}, but it ends at {durable}: the store \
             is another journal's, or the journal lost its end. Put the right journal back, or \
             move the store away and run `carbon store rebuild`"
        )));
    }
    if position.saturating_add(1) < first {
        return Err(Failure::Journal(format!(
            "the store has read the journal up to {position}, but its first entry is {first}: \
             bring the archived segments back, or a store that is newer"
        )));
    }
    directory.load(&*store)?;
    Replay::new(journal, store, directory, position).run()
}

/// Makes an empty store from the whole journal, up to its end, and checkpoints it. Cursors of
/// other followers stay at 0: what they send again is known by its ids.
pub fn rebuild(
    journal: Arc<dyn Journal>,
    fresh_store: Arc<dyn Store>,
) -> Result<Recovered, Failure> {
    whole(&*journal)?;
    let known = fresh_store.scan(Tree::Snapshots, &[], &[0xff], 1, false)?;
    if fresh_store.cursor(CURSOR)? > 0 || !known.is_empty() {
        return Err(Failure::Store("a store is rebuilt into an empty one; this is not".into()));
    }
    let replay = Replay::new(journal, fresh_store.clone(), Arc::default(), 0);
    let recovered = replay.run()?;
    fresh_store.checkpoint(&[(CURSOR, recovered.position)])?;
    Ok(recovered)
}

/// Whether the journal can be read from its first entry.
fn whole(journal: &dyn Journal) -> Result<(), Failure> {
    match journal.first() {
        0 | 1 => Ok(()),
        first => Err(Failure::Journal(format!(
            "the journal begins at entry {first}: bring its archived segments back first"
        ))),
    }
}

/// A replay on its way.
struct Replay {
    journal: Arc<dyn Journal>,
    store: Arc<dyn Store>,
    projector: Projector,
    machines: Hot<Stream, Replica>,
    position: u64,
    began: u64,
}

impl Replay {
    fn new(
        journal: Arc<dyn Journal>,
        store: Arc<dyn Store>,
        directory: Arc<Directory>,
        position: u64,
    ) -> Self {
        let projector = Projector::new(store.clone(), directory);
        let machines = Hot::new(MACHINES);
        Self { journal, store, projector, machines, position, began: position }
    }

    fn run(mut self) -> Result<Recovered, Failure> {
        loop {
            let entries = self.journal.read(self.position, READ)?;
            if entries.is_empty() {
                break;
            }
            self.take(&entries)?;
            if self.store.waiting() > UNWRITTEN {
                self.flush();
                self.store.checkpoint(&[(CURSOR, self.position)])?;
            }
        }
        self.flush();
        let (position, replayed) = (self.position, self.position.saturating_sub(self.began));
        Ok(Recovered { position, replayed })
    }

    fn take(&mut self, entries: &[Committed]) -> Result<(), Failure> {
        let Some(last) = entries.last() else { return Ok(()) };
        let mut accounts = BTreeSet::new();
        for committed in entries {
            self.apply(committed)?;
            accounts.extend(Some(committed.entry.stream).filter(Stream::is_account));
        }
        // The projector looks an account's CCIDs up in its snapshot. The others are written when
        // they are let go: their states are larger, and nobody reads them here.
        for stream in accounts {
            if let Some(replica) = self.machines.get(&stream)
                && replica.changed
            {
                self.store.put(replica.puts(stream));
            }
        }
        let projected = self.projector.project(entries)?;
        self.store.put(projected.puts);
        self.position = last.sequence;
        Ok(())
    }

    fn apply(&mut self, committed: &Committed) -> Result<(), Failure> {
        let (entry, sequence) = (&committed.entry, committed.sequence);
        let stream = entry.stream;
        if self.machines.get(&stream).is_none() {
            let replica = Replica::load(&*self.store, stream)?;
            for (stream, mut gone) in self.machines.put(stream, replica) {
                if gone.changed {
                    self.store.put(gone.puts(stream));
                }
            }
        }
        let Some(replica) = self.machines.get(&stream) else {
            return Err(Failure::Store("a machine that was loaded is not there".into()));
        };
        replica.apply(entry).map_err(|violation| {
            Failure::Damaged(format!("entry {sequence}: {violation}; run `carbon store rebuild`"))
        })
    }

    fn flush(&mut self) {
        for (stream, replica) in self.machines.iter_mut() {
            if replica.changed {
                self.store.put(replica.puts(*stream));
            }
        }
    }
}
