//! The embedded journal: segment files, written by one thread in groups. A group is one write and
//! one sync; frames are chained by hash, so that neither damage nor tampering passes unseen.

mod frame;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod opening;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use carbon_actors::ports::{Append, Committed, Failure, Journal, Store};
use carbon_protocol::entry::Entry;
use parking_lot::{Condvar, Mutex, RwLock};
use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};

pub use opening::{Verified, is_whole, verify_all};

use crate::disk;
use segment::{Scan, Segment, Step, failure};
use writer::Writer;

/// Limits of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Size of a segment file, bytes. It is reserved when the segment is begun.
    pub segment_bytes: u64,
    /// Most bytes of entries in one write; one append may not be larger.
    pub group_bytes: u32,
    /// Most entries that wait for the writer; an append beyond is refused as busy.
    pub queue_entries: usize,
    /// The newest entries, kept decoded in memory for followers.
    pub tail_entries: usize,
    /// With less than this free on the disk nothing more is taken from outside, bytes.
    pub reserve_bytes: u64,
}

/// The journal in a folder.
pub struct FileJournal {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    first: u64,
    /// Held as long as the journal is open: two writers would fork the truth.
    _lock: File,
}

/// What the writer shares with everybody else.
struct Shared {
    folder: PathBuf,
    config: Config,
    queue: Mutex<Queue>,
    /// Wakes the writer.
    work: Condvar,
    segments: RwLock<Vec<Arc<Segment>>>,
    tail: RwLock<VecDeque<Committed>>,
    durable: watch::Sender<u64>,
    /// The last sequence whose states were handed to the store.
    handed_over: AtomicU64,
    disk: Disk,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    entries: usize,
    closing: bool,
}

/// One append on its way.
struct Job {
    group: Vec<Append>,
    bytes: u64,
    answer: oneshot::Sender<Result<u64, Failure>>,
}

impl FileJournal {
    /// Opens a folder, or begins one. `verify_from` is a sequence known to be durable (the store's
    /// cursor): what comes after it is checked fully, segments before it by their headers only.
    pub fn open(
        folder: &Path,
        config: Config,
        verify_from: u64,
        store: Arc<dyn Store>,
    ) -> Result<Self, Failure> {
        let opened = opening::open(folder, config.segment_bytes, verify_from)?;
        let segments: Vec<Arc<Segment>> = opened.segments.into_iter().map(Arc::new).collect();
        let first = segments.first().map_or(1, |segment| segment.first);
        let shared = Arc::new(Shared {
            folder: folder.into(),
            config,
            queue: Mutex::default(),
            work: Condvar::new(),
            segments: RwLock::new(segments),
            tail: RwLock::default(),
            durable: watch::Sender::new(opened.end.next - 1),
            handed_over: AtomicU64::new(opened.end.next - 1),
            disk: Disk::default(),
        });
        let writer = Writer::new(shared.clone(), store, opened.file, opened.end)?;
        let spawned = std::thread::Builder::new().name("journal".into()).spawn(|| writer.run());
        let thread = spawned.map_err(|error| failure(folder, &error))?;
        Ok(Self { shared, writer: Mutex::new(Some(thread)), first, _lock: opened.lock })
    }

    /// Writes what waits, states the end durably, and stops. What is appended later is refused.
    pub fn close(&self) {
        self.shared.queue.lock().closing = true;
        self.shared.work.notify_one();
        if let Some(thread) = self.writer.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the journal's writer panicked");
        }
    }
}

impl Drop for FileJournal {
    fn drop(&mut self) {
        self.close();
    }
}

impl Journal for FileJournal {
    fn append(&self, group: Vec<Append>) -> oneshot::Receiver<Result<u64, Failure>> {
        let (answer, receiver) = oneshot::channel();
        let bytes = group.iter().map(|append| append.bytes.len() as u64).sum();
        let entries = group.len();
        let config = &self.shared.config;
        let mut queue = self.shared.queue.lock();
        let refusal = if queue.closing {
            Some(Failure::Stopping)
        } else if entries == 0 || entries > config.queue_entries {
            Some(Failure::Journal(format!("{entries} entries make no group")))
        } else if bytes > u64::from(config.group_bytes) {
            Some(Failure::Journal(format!("{bytes} bytes are more than a group may have")))
        } else if queue.entries + entries > config.queue_entries {
            Some(Failure::Busy("journal"))
        } else {
            None
        };
        if let Some(refusal) = refusal {
            drop(queue);
            // The receiver is in our hands, so the answer arrives.
            let _ = answer.send(Err(refusal));
            return receiver;
        }
        queue.entries += entries;
        queue.jobs.push_back(Job { group, bytes, answer });
        drop(queue);
        self.shared.work.notify_one();
        receiver
    }

    fn read(&self, after: u64, limit: usize) -> Result<Vec<Committed>, Failure> {
        match self.recent(after, limit) {
            Some(found) => Ok(found),
            None => self.shared.read_files(after, limit),
        }
    }

    fn recent(&self, after: u64, limit: usize) -> Option<Vec<Committed>> {
        self.shared.read_tail(after, limit)
    }

    fn durable(&self) -> watch::Receiver<u64> {
        self.shared.durable.subscribe()
    }

    fn handed_over(&self) -> u64 {
        self.shared.handed_over.load(Ordering::Acquire)
    }

    fn first(&self) -> u64 {
        self.first
    }

    fn room(&self) -> Result<(), Failure> {
        let Shared { folder, config, disk, .. } = &*self.shared;
        // The next reservation must succeed, whatever is kept back.
        let wanted = config.reserve_bytes + writer::RESERVE;
        let free = disk.free(folder).map_err(|error| failure(folder, &error))?;
        if free >= wanted {
            return Ok(());
        }
        Err(Failure::Full(format!("{free} bytes are free, {wanted} are kept back")))
    }
}

impl Shared {
    /// The entries from memory; nothing where some of them are no longer there.
    fn read_tail(&self, after: u64, limit: usize) -> Option<Vec<Committed>> {
        let durable = *self.durable.borrow();
        if after >= durable {
            return Some(Vec::new());
        }
        let tail = self.tail.read();
        let oldest = tail.front()?.sequence;
        let skip = usize::try_from((after + 1).checked_sub(oldest)?).ok()?;
        // The newest group is in the tail a moment before it is called durable.
        let seen = tail.iter().skip(skip).take(limit);
        Some(seen.take_while(|committed| committed.sequence <= durable).cloned().collect())
    }

    fn read_files(&self, after: u64, limit: usize) -> Result<Vec<Committed>, Failure> {
        let durable = *self.durable.borrow();
        let segments: Vec<Arc<Segment>> = self.segments.read().clone();
        let start = segments.partition_point(|segment| segment.first <= after + 1);
        let Some(start) = start.checked_sub(1) else {
            let gone = format!("what follows sequence {after} is archived");
            return Err(Failure::Journal(gone));
        };
        let mut found = Vec::new();
        let mut wanted = after + 1;
        for (at, segment) in segments.iter().enumerate().skip(start) {
            let end = segments.get(at + 1).map_or(u64::MAX, |next| next.first);
            let end = end.min(durable.saturating_add(1));
            wanted = read_segment(segment, wanted, end, limit, &mut found)?;
            if found.len() >= limit || wanted > durable {
                break;
            }
        }
        Ok(found)
    }
}

/// Reads entries from `wanted` up to, and not including, `end`, and returns the next one wanted.
fn read_segment(
    segment: &Segment,
    mut wanted: u64,
    end: u64,
    limit: usize,
    found: &mut Vec<Committed>,
) -> Result<u64, Failure> {
    let broken = |error: io::Error| failure(&segment.path, &error);
    let offset = segment.seek(wanted, end).map_err(broken)?;
    let file = File::open(&segment.path).map_err(broken)?;
    let mut scan = Scan::new(file, offset).map_err(broken)?;
    while wanted < end && found.len() < limit {
        let (at, before) = (scan.offset, wanted);
        let corrupt = |what: &str| {
            let path = segment.path.display();
            Failure::Journal(format!("{path} at offset {at}, sequence {before}: {what}"))
        };
        let header = match scan.step().map_err(broken)? {
            Step::Frame(header) => header,
            Step::End => return Err(corrupt("the segment ends early")),
            Step::Bad(what) => return Err(corrupt(what)),
        };
        if header.next() <= wanted {
            continue;
        }
        if header.first > wanted {
            return Err(corrupt("entries are missing"));
        }
        let entries = frame::entries(&header, scan.frame());
        let entries = entries.ok_or_else(|| corrupt("the lengths of its entries are wrong"))?;
        for (sequence, bytes) in (header.first..).zip(entries) {
            if sequence == wanted && found.len() < limit {
                let entry: Entry =
                    rmp_serde::from_slice(bytes).map_err(|error| corrupt(&error.to_string()))?;
                found.push(Committed { sequence, entry: Arc::new(entry) });
                wanted += 1;
            }
        }
    }
    Ok(wanted)
}

/// How long a look at the free room is good for.
const LOOK: Duration = Duration::from_millis(100);

/// The disk, which tests can fill up.
#[derive(Debug, Default)]
struct Disk {
    /// What was free, and when.
    seen: Mutex<Option<(Instant, u64)>>,
    #[cfg(test)]
    room: Mutex<Option<usize>>,
}

impl Disk {
    /// Free bytes, as of a moment ago.
    fn free(&self, folder: &Path) -> io::Result<u64> {
        let mut seen = self.seen.lock();
        if let Some((at, free)) = *seen
            && at.elapsed() < LOOK
        {
            return Ok(free);
        }
        let free = disk::free(folder)?;
        *seen = Some((Instant::now(), free));
        Ok(free)
    }

    fn reserve(&self, file: &File, from: u64, to: u64) -> io::Result<()> {
        disk::reserve(file, from, to)
    }

    fn write_all_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        #[cfg(test)]
        if let Some(room) = self.room.lock().as_mut() {
            let fits = bytes.len().min(*room);
            *room -= fits;
            if fits < bytes.len() {
                file.write_all_at(&bytes[..fits], offset)?;
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        file.write_all_at(bytes, offset)
    }
}
