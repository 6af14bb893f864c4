//! The keystore: one data key a person, wrapped by the key provider, in slots of a fixed size, so
//! that erasing a person is one small write in place. Beside the journal it is the second truth,
//! and is backed up with it.
//!
//! A slot is 64 bytes, so that none crosses a disk's sector: the length of the wrapped key, the
//! key, zeros, and a check of 3 bytes (BLAKE3 of slot and key), which tells a loss from a key of
//! another vault. An erased slot holds zeros and a mark; zeros alone are a loss, not an erasure.
//! Slot 0 is the file's header.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use carbon_actors::ports::Failure;
use tokio::sync::oneshot;

use super::provider::WRAPPED_MAX;
use super::{failure, sync_folder};

const NAME: &str = "people.keys";
const SLOT: usize = 64;
const HEADER: [u8; SLOT] = marked(b"CgKeys2\0 one wrapped data key a person", 0);
const ERASED: [u8; SLOT] = marked(b"--- erased ----", 48);
/// Where a slot's check begins.
const CHECK: usize = 1 + WRAPPED_MAX;
/// Most jobs in one sync.
const GROUP: usize = 512;

type Answer = oneshot::Sender<Result<u64, Failure>>;

enum Job {
    Keep(Vec<u8>, Answer),
    Erase(u64, Answer),
}

const fn marked(mark: &[u8], at: usize) -> [u8; SLOT] {
    let mut bytes = [0; SLOT];
    let mut place = 0;
    while place < mark.len() {
        bytes[at + place] = mark[place];
        place += 1;
    }
    bytes
}

/// The slots, written by one thread in groups.
pub(super) struct Keystore {
    file: Arc<File>,
    jobs: Option<SyncSender<Job>>,
    writer: Option<JoinHandle<()>>,
}

impl Keystore {
    /// Whether a folder has one.
    pub fn exists(folder: &Path) -> bool {
        folder.join(NAME).exists()
    }

    /// Opens the slots, or begins them; at most `queue` jobs wait.
    pub fn open(folder: &Path, queue: usize) -> Result<Self, Failure> {
        let path = folder.join(NAME);
        let broken = |error: std::io::Error| failure(&path, &error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(broken)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::Vault(format!("{}: open elsewhere", path.display())));
            }
            Err(TryLockError::Error(error)) => return Err(broken(error)),
        }
        let length = file.metadata().map_err(broken)?.len();
        if length < SLOT as u64 {
            // Shorter than its header: a first start that crashed, before any key was kept.
            file.write_all_at(&HEADER, 0).and_then(|()| file.sync_all()).map_err(broken)?;
            sync_folder(folder).map_err(broken)?;
        }
        let mut header = [0; SLOT];
        file.read_exact_at(&mut header, 0).map_err(broken)?;
        if header != HEADER {
            return Err(Failure::Vault(format!("{}: not a keystore", path.display())));
        }
        // A slot that is there in part was never answered; it is left alone.
        let next = length.div_ceil(SLOT as u64).max(1);
        let file = Arc::new(file);
        let (jobs, waiting) = sync_channel(queue);
        let writer = Writer { file: file.clone(), next };
        let spawned =
            std::thread::Builder::new().name("keystore".into()).spawn(move || writer.run(&waiting));
        let writer = Some(spawned.map_err(broken)?);
        Ok(Self { file, jobs: Some(jobs), writer })
    }

    /// Keeps a wrapped key; resolves with its slot once it is durable.
    pub fn keep(&self, key: Vec<u8>) -> oneshot::Receiver<Result<u64, Failure>> {
        let (answer, receiver) = oneshot::channel();
        self.send(Job::Keep(key, answer));
        receiver
    }

    /// Erases a slot; resolves once the key is gone. What a disk keeps below its surface is beyond
    /// any file's reach: the folder belongs on an encrypted one.
    pub fn erase(&self, slot: u64) -> oneshot::Receiver<Result<u64, Failure>> {
        let (answer, receiver) = oneshot::channel();
        self.send(Job::Erase(slot, answer));
        receiver
    }

    fn send(&self, job: Job) {
        let refused = match self.jobs.as_ref().map(|jobs| jobs.try_send(job)) {
            Some(Err(TrySendError::Full(job))) => Some((job, Failure::Busy("vault"))),
            Some(Err(TrySendError::Disconnected(job))) => Some((job, Failure::Stopping)),
            Some(Ok(())) | None => None,
        };
        if let Some((Job::Keep(_, answer) | Job::Erase(_, answer), failure)) = refused {
            // The receiver is still with the caller.
            let _ = answer.send(Err(failure));
        }
    }

    /// The wrapped key in a slot; none where it was erased.
    pub fn get(&self, slot: u64) -> Result<Option<Vec<u8>>, Failure> {
        let lost = |what: &str| Failure::Vault(format!("the keystore's slot {slot} {what}"));
        let mut found = [0; SLOT];
        let offset = place(slot).ok_or_else(|| lost("cannot be"))?;
        self.file
            .read_exact_at(&mut found, offset)
            .map_err(|error| lost(&format!("cannot be read: {error}")))?;
        if found == ERASED {
            return Ok(None);
        }
        let key = found.get(1..1 + usize::from(found[0])).unwrap_or_default();
        match filled(slot, key) {
            Some(right) if right == found => Ok(Some(key.to_vec())),
            _ => Err(lost("is damaged or lost")),
        }
    }
}

impl Drop for Keystore {
    fn drop(&mut self) {
        self.jobs = None;
        if self.writer.take().is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the keystore's writer panicked");
        }
    }
}

/// Offset of a slot; none for the header's and for those beyond any file.
fn place(slot: u64) -> Option<u64> {
    slot.checked_mul(SLOT as u64).filter(|offset| *offset > 0)
}

/// A slot with a key in it; none where the key is empty or too long for one.
fn filled(slot: u64, key: &[u8]) -> Option<[u8; SLOT]> {
    let length = u8::try_from(key.len()).ok().filter(|_| (1..=WRAPPED_MAX).contains(&key.len()))?;
    let mut bytes = [0; SLOT];
    bytes[0] = length;
    bytes[1..=key.len()].copy_from_slice(key);
    let mut check = blake3::Hasher::new();
    check.update(&slot.to_le_bytes()).update(key);
    bytes[CHECK..].copy_from_slice(&check.finalize().as_bytes()[..SLOT - CHECK]);
    Some(bytes)
}

struct Writer {
    file: Arc<File>,
    /// The next free slot.
    next: u64,
}

impl Writer {
    fn run(mut self, waiting: &Receiver<Job>) {
        while let Ok(first) = waiting.recv() {
            let jobs: Vec<Job> =
                std::iter::once(first).chain(waiting.try_iter().take(GROUP - 1)).collect();
            let done: Vec<(Answer, Result<u64, Failure>)> =
                jobs.into_iter().map(|job| self.write(job)).collect();
            if let Err(error) = self.file.sync_data() {
                // As in the journal: never retried, the page cache has lied.
                tracing::error!(%error, "the keystore's fdatasync failed");
                std::process::abort();
            }
            for (answer, result) in done {
                // Who no longer waits never learns the slot: it is lost room, nothing else.
                let _ = answer.send(result);
            }
        }
    }

    fn write(&mut self, job: Job) -> (Answer, Result<u64, Failure>) {
        let (slot, bytes, answer) = match job {
            Job::Keep(key, answer) => match filled(self.next, &key) {
                Some(bytes) => (self.next, bytes, answer),
                None => {
                    return (answer, Err(Failure::Vault("a wrapped key fills no slot".into())));
                }
            },
            Job::Erase(slot, answer) if slot < self.next => (slot, ERASED, answer),
            Job::Erase(slot, answer) => {
                let unknown = Failure::Vault(format!("the keystore has no slot {slot}"));
                return (answer, Err(unknown));
            }
        };
        let written = match place(slot) {
            Some(offset) => self.file.write_all_at(&bytes, offset).map_err(|e| e.to_string()),
            None => Err("no such slot".into()),
        };
        let result = written.map(|()| slot).map_err(Failure::Vault);
        if result.is_ok() && slot == self.next {
            self.next += 1;
        }
        (answer, result)
    }
}
