//! The journal in memory: durable at once, unless it is told to fail or to hold back.

use std::sync::Arc;

use carbon_protocol::entry::Entry;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use super::Faults;
use crate::ports::{Append, Committed, Failure, Journal, Store};

type Answer = oneshot::Sender<Result<u64, Failure>>;

/// A [`Journal`] in memory.
pub struct MemoryJournal {
    store: Arc<dyn Store>,
    faults: Faults,
    durable: watch::Sender<u64>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: Vec<Committed>,
    first: u64,
    unreadable_from: Option<(u64, Unreadable)>,
    holding: bool,
    held: Vec<(Vec<Append>, Answer)>,
}

/// How a read does not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// It fails.
    Fails,
    /// It panics.
    Panics,
}

impl MemoryJournal {
    /// An empty journal that hands the puts of what is durable to `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        let inner = Mutex::new(Inner { first: 1, ..Inner::default() });
        Self { store, faults: Faults::default(), durable: watch::Sender::new(0), inner }
    }

    /// The next `appends` groups fail and leave nothing behind.
    pub fn fail_next(&self, appends: usize) {
        self.faults.plan(appends);
    }

    /// From now on nothing at or behind a sequence can be read.
    pub fn unreadable_from(&self, sequence: u64, how: Unreadable) {
        self.inner.lock().unreadable_from = Some((sequence, how));
    }

    /// Everything can be read again.
    pub fn readable(&self) {
        self.inner.lock().unreadable_from = None;
    }

    /// From now on groups are taken and not made durable: readers do not see them, nobody is
    /// answered.
    pub fn hold(&self) {
        self.inner.lock().holding = true;
    }

    /// How many groups are held.
    pub fn held(&self) -> usize {
        self.inner.lock().held.len()
    }

    /// Makes what was held durable, in order, and holds no longer.
    pub fn release(&self) {
        let mut inner = self.inner.lock();
        inner.holding = false;
        for (group, answer) in std::mem::take(&mut inner.held) {
            self.commit(&mut inner, group, answer);
        }
    }

    /// A crash before the sync: what was held is lost, and who waits for it learns nothing.
    pub fn lose_held(&self) {
        let mut inner = self.inner.lock();
        inner.holding = false;
        inner.held.clear();
    }

    /// All durable entries, archived ones included.
    pub fn entries(&self) -> Vec<Committed> {
        self.inner.lock().entries.clone()
    }

    /// Takes the entries up to a sequence out of reach, as archiving old segments does.
    pub fn archive(&self, through: u64) {
        let mut inner = self.inner.lock();
        inner.first = inner.first.max(through.saturating_add(1));
    }

    fn commit(&self, inner: &mut Inner, group: Vec<Append>, answer: Answer) {
        if let Some(broken) = group.iter().find(|append| !is_faithful(append)) {
            let what = format!("the bytes of {:?} are not its entry", broken.entry.stream);
            let _ = answer.send(Err(Failure::Journal(what)));
            return;
        }
        let first = next(&inner.entries);
        let mut puts = Vec::new();
        for append in group {
            let sequence = next(&inner.entries);
            inner.entries.push(Committed { sequence, entry: append.entry });
            puts.extend(append.puts);
        }
        self.store.put(puts);
        self.durable.send_replace(next(&inner.entries) - 1);
        // Nobody may be waiting any more: the entries are durable all the same.
        let _ = answer.send(Ok(first));
    }
}

impl Journal for MemoryJournal {
    fn append(&self, group: Vec<Append>) -> oneshot::Receiver<Result<u64, Failure>> {
        let (answer, receiver) = oneshot::channel();
        if self.faults.strike() {
            let _ = answer.send(Err(Failure::Journal("told to fail".into())));
            return receiver;
        }
        let mut inner = self.inner.lock();
        if inner.holding {
            inner.held.push((group, answer));
        } else {
            self.commit(&mut inner, group, answer);
        }
        receiver
    }

    fn read(&self, after: u64, limit: usize) -> Result<Vec<Committed>, Failure> {
        let unreadable = self.inner.lock().unreadable_from;
        match unreadable {
            Some((sequence, _)) if after.saturating_add(1) < sequence => {}
            Some((_, Unreadable::Panics)) => panic!("told to panic"),
            Some((_, Unreadable::Fails)) => return Err(Failure::Journal("told to fail".into())),
            None => {}
        }
        let inner = self.inner.lock();
        if after.saturating_add(1) < inner.first {
            let gone = format!("entries before {} are archived, asked after {after}", inner.first);
            return Err(Failure::Journal(gone));
        }
        // A reader that lags behind gets what lies before, and meets the rest with its next read.
        let end = unreadable.map_or(u64::MAX, |(sequence, _)| sequence);
        let skip = usize::try_from(after).unwrap_or(usize::MAX);
        let entries = inner.entries.iter().skip(skip).take(limit);
        Ok(entries.take_while(|committed| committed.sequence < end).cloned().collect())
    }

    fn durable(&self) -> watch::Receiver<u64> {
        self.durable.subscribe()
    }

    fn first(&self) -> u64 {
        self.inner.lock().first
    }
}

fn next(entries: &[Committed]) -> u64 {
    entries.last().map_or(1, |last| last.sequence + 1)
}

/// The real journal keeps only the bytes: what does not decode to the entry would be lost there.
fn is_faithful(append: &Append) -> bool {
    rmp_serde::from_slice::<Entry>(&append.bytes).is_ok_and(|entry| entry == *append.entry)
}

#[cfg(test)]
mod tests {
    use carbon_protocol::Timestamp;
    use carbon_protocol::entry::{FORMAT, Stream};

    use super::*;
    use crate::ports::{Put, Tree};
    use crate::twins::MemoryStore;

    fn append(version: u64) -> Append {
        let stream = Stream::Claims;
        let (epoch, at, events) = (1, Timestamp(5), Vec::new());
        let entry = Entry { format: FORMAT, stream, version, epoch, at, events };
        let put =
            Put { tree: Tree::Snapshots, key: stream.key(), value: Some(vec![version as u8]) };
        Append {
            bytes: rmp_serde::to_vec(&entry).unwrap(),
            entry: Arc::new(entry),
            puts: vec![put],
        }
    }

    fn journal() -> (Arc<MemoryStore>, MemoryJournal) {
        let store = Arc::new(MemoryStore::default());
        (store.clone(), MemoryJournal::new(store))
    }

    #[tokio::test]
    async fn a_group_is_consecutive_and_its_puts_are_found_when_it_is_answered() {
        let (store, journal) = journal();
        assert_eq!(journal.append(vec![append(1), append(2)]).await.unwrap().unwrap(), 1);
        assert_eq!(journal.append(vec![append(3)]).await.unwrap().unwrap(), 3);
        assert_eq!(store.get(Tree::Snapshots, &Stream::Claims.key()).unwrap(), Some(vec![3]));
        let read = journal.read(1, 10).unwrap();
        assert_eq!(read.iter().map(|c| c.sequence).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(*journal.durable().borrow(), 3);
    }

    #[tokio::test]
    async fn what_is_held_is_seen_by_nobody_until_it_is_released() {
        let (store, journal) = journal();
        journal.hold();
        let waiting = journal.append(vec![append(1)]);
        assert!(journal.read(0, 10).unwrap().is_empty());
        assert_eq!(store.waiting(), 0);
        journal.release();
        assert_eq!(waiting.await.unwrap().unwrap(), 1);
        journal.hold();
        let lost = journal.append(vec![append(2)]);
        journal.lose_held();
        assert!(lost.await.is_err());
        assert_eq!(journal.append(vec![append(2)]).await.unwrap().unwrap(), 2);
    }

    #[tokio::test]
    async fn it_fails_when_told_and_when_the_bytes_are_not_the_entry() {
        let (_, journal) = journal();
        journal.fail_next(1);
        assert!(journal.append(vec![append(1)]).await.unwrap().is_err());
        let mut wrong = append(1);
        wrong.bytes = append(2).bytes;
        assert!(journal.append(vec![wrong]).await.unwrap().is_err());
        assert_eq!(journal.append(vec![append(1)]).await.unwrap().unwrap(), 1);
        journal.archive(1);
        assert!(journal.read(0, 1).is_err());
        assert_eq!(journal.first(), 2);
    }
}
