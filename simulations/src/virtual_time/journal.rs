//! The journal of the virtual world: one writer that groups what waits, takes its time, and may die
//! before the write, before the sync, or before anybody is told.

use std::sync::Arc;
use std::time::Duration;

use carbon_actors::ports::{Append, Committed, Failure, Journal, Put, Store};
use carbon_actors::recovery::Audit;
use carbon_protocol::entry::Entry;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::store::Shelves;
use super::world::World;

/// What the files hold beyond the last group known to be synced.
type Tail = Vec<Arc<Entry>>;

/// Who waits for a group, and how many entries it has.
type Job = (Vec<Append>, oneshot::Sender<Result<u64, Failure>>);

/// The journal. It outlives the platform, as files do.
#[derive(Clone)]
pub struct Files(Arc<Shared>);

struct Shared {
    world: Arc<World>,
    store: Arc<Shelves>,
    durable: watch::Sender<u64>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: Vec<Committed>,
    /// Written and not yet synced: a crash may keep it, or tear it off.
    unsynced: Tail,
    waiting: Vec<Job>,
    writing: bool,
    full_until: Option<Instant>,
    audit: Audit,
}

impl Files {
    /// An empty journal that hands states to `store`.
    pub fn new(world: Arc<World>, store: Arc<Shelves>) -> Self {
        let (durable, inner) = (watch::Sender::new(0), Mutex::default());
        Self(Arc::new(Shared { world, store, durable, inner }))
    }

    /// What a crash left: the unsynced group is there whole, or its torn tail is cut off.
    pub fn after_crash(&self) {
        let kept = self.0.world.chance(500);
        let mut inner = self.0.inner.lock();
        let unsynced = std::mem::take(&mut inner.unsynced);
        inner.waiting.clear();
        (inner.writing, inner.full_until) = (false, None);
        if !unsynced.is_empty() {
            let count = unsynced.len();
            let fate = if kept { "is found after the crash" } else { "was torn off" };
            self.0.world.note(|| format!("a group of {count} that nobody was told of {fate}"));
        }
        if kept {
            unsynced.into_iter().for_each(|entry| self.0.keep(&mut inner, entry));
        }
        // The process may have died between the sync and telling anybody.
        self.0.durable.send_replace(inner.entries.len() as u64);
    }

    /// Entries that are in it for good.
    pub fn len(&self) -> u64 {
        self.0.inner.lock().entries.len() as u64
    }

    /// Checks what only all accounts together can show.
    pub fn audit(&self) {
        if let Err(violation) = self.0.inner.lock().audit.balance() {
            self.0.world.wrong(format!("the whole journal: {violation}"));
        }
    }
}

impl Shared {
    /// An entry is in the journal for good: INV-01 to INV-10 must hold after it.
    fn keep(&self, inner: &mut Inner, entry: Arc<Entry>) {
        let sequence = inner.entries.len() as u64 + 1;
        let stream = entry.stream;
        let verbose = self.world.verbose;
        self.world.note(|| match verbose {
            true => format!("#{sequence} {stream:?} v{} {:?}", entry.version, entry.events),
            false => format!("#{sequence} {stream:?} v{}", entry.version),
        });
        let committed = Committed { sequence, entry };
        let held = inner.audit.take(&committed).and_then(|()| inner.audit.check(&stream));
        if let Err(failure) = held {
            self.world.wrong(failure.to_string());
        }
        inner.entries.push(committed);
    }

    async fn write(self: Arc<Self>) {
        loop {
            let jobs = {
                let mut inner = self.inner.lock();
                inner.writing = !inner.waiting.is_empty();
                std::mem::take(&mut inner.waiting)
            };
            if jobs.is_empty() {
                return;
            }
            if !self.write_group(jobs).await {
                return;
            }
        }
    }

    /// Writes what waits as one group; false where the process died on the way.
    async fn write_group(&self, jobs: Vec<Job>) -> bool {
        let faults = &self.world.scenario.faults;
        if self.is_full() {
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.world.note(|| "the disk is full".into());
            for (_, answer) in jobs {
                let _ = answer.send(Err(Failure::Journal("the disk is full".into())));
            }
            return true;
        }
        let slower = if self.world.strikes(faults.disk_slow) { 50 } else { 1 };
        self.world.wait(0..=2 * slower).await;
        if !self.world.step() {
            return false;
        }
        let group = jobs.iter().flat_map(|(group, _)| group);
        self.inner.lock().unsynced = group.map(|append| append.entry.clone()).collect();
        self.world.wait(0..=3 * slower).await;
        if !self.world.step() {
            return false;
        }
        self.commit(jobs)
    }

    /// The sync has returned: states are handed to the store, then everybody is told.
    fn commit(&self, jobs: Vec<Job>) -> bool {
        let mut inner = self.inner.lock();
        inner.unsynced.clear();
        let (mut puts, mut answers): (Vec<Put>, Vec<_>) = (Vec::new(), Vec::new());
        for (group, answer) in jobs {
            answers.push((answer, inner.entries.len() as u64 + 1));
            for append in group {
                // Only the bytes are on the disk: what is read again is what they say.
                match rmp_serde::from_slice::<Entry>(&append.bytes) {
                    Ok(entry) if entry == *append.entry => self.keep(&mut inner, append.entry),
                    _ => self.world.wrong("the bytes of an entry are not the entry"),
                }
                self.world.digest(&append.bytes);
                puts.extend(append.puts);
            }
        }
        let last = inner.entries.len() as u64;
        drop(inner);
        if !self.world.step() {
            return false;
        }
        self.store.put(puts);
        self.durable.send_replace(last);
        if !self.world.step() {
            return false;
        }
        for (answer, first) in answers {
            let _ = answer.send(Ok(first));
        }
        true
    }

    fn is_full(&self) -> bool {
        let now = Instant::now();
        let full_until = self.inner.lock().full_until;
        if full_until.is_some_and(|until| now < until) {
            return true;
        }
        let strikes = self.world.strikes(self.world.scenario.faults.disk_full);
        if strikes {
            let time = Duration::from_millis(self.world.draw(10..=3_000));
            self.inner.lock().full_until = Some(now + time);
        }
        strikes
    }
}

impl Journal for Files {
    fn append(&self, group: Vec<Append>) -> oneshot::Receiver<Result<u64, Failure>> {
        let (answer, outcome) = oneshot::channel();
        if !self.0.world.step() {
            return outcome;
        }
        let mut inner = self.0.inner.lock();
        inner.waiting.push((group, answer));
        if !std::mem::replace(&mut inner.writing, true) {
            tokio::spawn(self.0.clone().write());
        }
        outcome
    }

    fn read(&self, after: u64, limit: usize) -> Result<Vec<Committed>, Failure> {
        let inner = self.0.inner.lock();
        let skip = usize::try_from(after).unwrap_or(usize::MAX);
        // Nobody follows what the store has not been handed the states of.
        let shown = usize::try_from(*self.0.durable.borrow()).unwrap_or(usize::MAX);
        Ok(inner.entries.iter().take(shown).skip(skip).take(limit).cloned().collect())
    }

    fn durable(&self) -> watch::Receiver<u64> {
        self.0.durable.subscribe()
    }

    fn first(&self) -> u64 {
        1
    }
}
