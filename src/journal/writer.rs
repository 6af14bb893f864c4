//! The writer: the one thread that writes the journal. It takes all that waits, writes it as one
//! group, syncs, hands the states to the store, and only then lets anybody know.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use carbon_actors::ports::{Append, Committed, Failure, Put, Store};

use super::frame::{self, Hash};
use super::opening::{self, End};
use super::segment::{START, Segment, failure};
use super::{Job, Shared};

/// How far ahead of the end room is reserved, bytes.
pub(super) const RESERVE: u64 = 4 * 1024 * 1024;

/// The writer and where it stands.
pub(super) struct Writer {
    shared: Arc<Shared>,
    store: Arc<dyn Store>,
    segment: Arc<Segment>,
    file: File,
    end: End,
    /// Up to here the segment's room on the disk is reserved.
    reserved: u64,
    /// The frame being written; kept for its room.
    frame: Vec<u8>,
}

impl Writer {
    /// A writer that goes on where the journal ends.
    pub fn new(
        shared: Arc<Shared>,
        store: Arc<dyn Store>,
        file: File,
        end: End,
    ) -> Result<Self, Failure> {
        let last = shared.segments.read().last().cloned();
        let segment = last.ok_or_else(|| Failure::Journal("no segment to write into".into()))?;
        let reserved = end.offset;
        Ok(Self { shared, store, segment, file, end, reserved, frame: Vec::new() })
    }

    /// Writes until the journal is closed and nothing waits.
    pub fn run(mut self) {
        let _guard = AbortOnPanic;
        while let Some(jobs) = self.take() {
            self.write(jobs);
        }
        // An empty group states that everything before it was durable: damage to the last group
        // of a journal that was closed properly cannot be taken for a torn tail.
        let Writer { frame, end, .. } = &mut self;
        let chain = frame::write(frame, end.next, end.next - 1, &end.chain, &[]);
        if let Err(error) = self.commit(chain, 0) {
            tracing::warn!(%error, "the journal is closed without its last word");
        }
    }

    /// Waits for work and takes as much as one write may hold; nothing once there is none any more.
    fn take(&self) -> Option<Vec<Job>> {
        let mut queue = self.shared.queue.lock();
        while queue.jobs.is_empty() {
            if queue.closing {
                return None;
            }
            self.shared.work.wait(&mut queue);
        }
        let (mut jobs, mut bytes) = (Vec::new(), 0);
        while let Some(job) = queue.jobs.front() {
            bytes += job.bytes;
            if !jobs.is_empty() && bytes > u64::from(self.shared.config.group_bytes) {
                break;
            }
            queue.entries -= job.group.len();
            jobs.extend(queue.jobs.pop_front());
        }
        Some(jobs)
    }

    /// Writes jobs as one group and answers them.
    fn write(&mut self, jobs: Vec<Job>) {
        let first = self.end.next;
        let appends: Vec<&Append> = jobs.iter().flat_map(|job| &job.group).collect();
        let count = appends.len() as u64;
        let Writer { frame, end, .. } = &mut *self;
        let chain = frame::write(frame, end.next, end.next - 1, &end.chain, &appends);
        if let Err(error) = self.commit(chain, count) {
            tracing::error!(%error, sequence = first, entries = count, "a group was not written");
            for job in jobs {
                // Whoever no longer waits does not need to know.
                let _ = job.answer.send(Err(error.clone()));
            }
            return;
        }
        let mut puts: Vec<Put> = Vec::new();
        let mut committed = Vec::new();
        let mut answers = Vec::new();
        for job in jobs {
            answers.push((job.answer, first + committed.len() as u64));
            for append in job.group {
                let sequence = first + committed.len() as u64;
                puts.extend(append.puts);
                committed.push(Committed { sequence, entry: append.entry });
            }
        }
        // A state must be findable before anybody can hear of its entry.
        self.shared.handed_over.store(self.end.next - 1, Ordering::Release);
        self.store.put(puts);
        self.keep(committed);
        self.shared.durable.send_replace(self.end.next - 1);
        for (answer, sequence) in answers {
            let _ = answer.send(Ok(sequence));
        }
    }

    /// Puts entries into the tail and lets the oldest go. They are dropped after the lock is given
    /// back, so that readers do not wait for it.
    fn keep(&self, committed: Vec<Committed>) {
        let mut tail = self.shared.tail.write();
        tail.extend(committed);
        let excess = tail.len().saturating_sub(self.shared.config.tail_entries);
        let old: Vec<Committed> = tail.drain(..excess).collect();
        drop(tail);
        drop(old);
    }

    /// Reserves room, writes the frame and syncs it; moves the end. A failure leaves nothing of
    /// it.
    fn commit(&mut self, chain: Hash, count: u64) -> Result<(), Failure> {
        let length = self.frame.len() as u64;
        let full = self.end.offset + length > self.shared.config.segment_bytes;
        if full && self.end.offset > START {
            self.begin_segment()?;
        }
        let offset = self.end.offset;
        self.reserve(offset + length)?;
        if let Err(error) = self.shared.disk.write_all_at(&self.file, &self.frame, offset) {
            self.take_back();
            return Err(failure(&self.segment.path, &error));
        }
        if let Err(error) = self.file.sync_data() {
            // Never retried: the kernel may have dropped the dirty pages and would report success
            // the next time, with the data gone. What is on the disk is known after a restart.
            tracing::error!(%error, segment = %self.segment.path.display(), "fdatasync failed");
            std::process::abort();
        }
        self.segment.mark(self.end.next, offset);
        self.end = End { offset: offset + length, next: self.end.next + count, chain };
        Ok(())
    }

    /// Sees to it that a write up to an offset finds room: a disk that is full is met here, before
    /// anything is written.
    fn reserve(&mut self, to: u64) -> Result<(), Failure> {
        if to <= self.reserved {
            return Ok(());
        }
        // No further than the segment goes, unless a single group is larger.
        let ahead = (to + RESERVE).min(self.shared.config.segment_bytes).max(to);
        let done = self.shared.disk.reserve(&self.file, self.reserved, ahead);
        done.map_err(|error| failure(&self.segment.path, &error))?;
        self.reserved = ahead;
        Ok(())
    }

    /// Cuts away what a failed write left.
    fn take_back(&mut self) {
        let bytes = self.shared.config.segment_bytes;
        self.reserved = self.end.offset;
        if let Err(error) = opening::cut(&self.file, self.end.offset, bytes) {
            // The next group would lie behind garbage: better no writer than such a journal.
            tracing::error!(%error, segment = %self.segment.path.display(), "truncation failed");
            std::process::abort();
        }
    }

    fn begin_segment(&mut self) -> Result<(), Failure> {
        let Shared { folder, config, segments, .. } = &*self.shared;
        let created = Segment::create(folder, self.end.next, self.end.chain, config.segment_bytes);
        let (segment, file) = created.map_err(|error| failure(folder, &error))?;
        tracing::info!(segment = %segment.path.display(), "a segment was begun");
        self.segment = Arc::new(segment);
        segments.write().push(self.segment.clone());
        (self.file, self.end.offset, self.reserved) = (file, START, START);
        Ok(())
    }
}

/// A writer that panics must take the process along: nobody would ever be answered again.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the journal's writer panicked");
            std::process::abort();
        }
    }
}
