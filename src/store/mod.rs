//! The store in sled, written behind: what was put is found at once in memory and reaches the disk
//! with the next checkpoint. Everything in here can be made again from the journal.

mod overlay;
mod redo;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use carbon_actors::ports::{Failure, Pair, Put, Store, Tree};
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};

use crate::disk;
use overlay::{Generation, Overlay, Range};
use values::{Shelf, broken};

/// sled's segments. Its default of 512 KiB writes a whole segment for the smallest flush; with 64
/// KiB a node of sixteen busy accounts did not fit into a quarter of one (see [`values`]).
const SEGMENT_BYTES: usize = 256 * 1024;
/// Inserts between two attempts to let sled's garbage go: without them a large checkpoint takes
/// gigabytes, whatever the cache's size.
const COLLECT_EVERY: usize = 64;
/// Inserts between two flushes, so that the last one does not have it all to do.
const FLUSH_EVERY: usize = 20_000;

/// Under this key, in sled's own tree, stands the number of the last checkpoint it has whole.
const NUMBER: &[u8] = b"checkpoint";
/// sled may take so many times the bytes of a checkpoint before it gives room back.
const GROWTH: u64 = 4;
/// Free room below which no checkpoint is begun, whatever its size: an error in the middle of
/// writing would be sled's end until the next start.
const SPARE: u64 = 4 * 1024 * 1024;
/// A file in the store's folder that tells the next start of damage.
const CONDEMNED: &str = "damaged";

/// How long sled's lock is waited for when a store is opened.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// Limits of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// sled's page cache, bytes.
    pub cache_bytes: u64,
    /// Seconds after which an opening that has not ended is taken for damage.
    pub open_seconds: u64,
}

/// The store in a folder.
pub struct SledStore {
    folder: PathBuf,
    db: sled::Db,
    shelves: BTreeMap<Tree, Shelf>,
    /// sled's own file: its `flush` writes, but does not sync.
    file: File,
    overlay: RwLock<Overlay>,
    /// The number of the last checkpoint; one is made at a time.
    checkpoints: Mutex<u64>,
    /// Whether damage was found.
    condemned: AtomicBool,
    /// After how many inserts the next checkpoint breaks off.
    #[cfg(test)]
    break_after: Mutex<Option<usize>>,
}

impl SledStore {
    /// Opens a folder, or begins one; writes the last checkpoint again, whether a crash has
    /// interrupted it or not. [`Failure::Damaged`] where the store must be made again.
    pub fn open(folder: &Path, config: &Config) -> Result<Self, Failure> {
        // On a thread of its own: over a damaged file sled may panic instead of returning an error,
        // and where one of its own threads did, the next flush waits for it for ever.
        let (ended, opened) = mpsc::sync_channel(1);
        let (of, its) = (folder.to_owned(), config.clone());
        let opening = thread::Builder::new().name("store's opening".into());
        // Nobody waits any more for a send that fails.
        let opening = opening.spawn(move || drop(ended.send(Self::open_here(&of, &its))));
        opening.map_err(|error| Failure::Store(error.to_string()))?;
        let damaged = |how: &str| Failure::Damaged(format!("{}: sled {how}", folder.display()));
        match opened.recv_timeout(Duration::from_secs(config.open_seconds)) {
            Ok(opened) => opened,
            Err(RecvTimeoutError::Timeout) => Err(damaged("does not come to an end over it")),
            Err(RecvTimeoutError::Disconnected) => Err(damaged("panicked over it")),
        }
    }

    fn open_here(folder: &Path, config: &Config) -> Result<Self, Failure> {
        if let Ok(why) = std::fs::read_to_string(folder.join(CONDEMNED)) {
            return Err(Failure::Damaged(why));
        }
        let sled = sled::Config::new()
            .path(folder)
            .cache_capacity(config.cache_bytes)
            .segment_size(SEGMENT_BYTES)
            .flush_every_ms(None);
        let db = open_sled(&sled, folder)?;
        let opened = Self::over(db.clone(), folder);
        if matches!(opened, Err(Failure::Damaged(_))) {
            // Dropping it, too, may wait for ever.
            thread::spawn(move || drop(db));
        }
        opened
    }

    /// The store over an opened database.
    fn over(db: sled::Db, folder: &Path) -> Result<Self, Failure> {
        let chunks = db.open_tree("Chunks").map_err(|error| broken(Tree::Snapshots, &error))?;
        let shelf = |tree: Tree| Ok((tree, Shelf::open(&db, tree, &chunks)?));
        let shelves = Tree::ALL.into_iter().map(shelf).collect::<Result<_, Failure>>()?;
        let file = File::open(folder.join("db")).map_err(|error| unsynced(&error))?;
        let store = Self {
            folder: folder.into(),
            db,
            shelves,
            file,
            overlay: RwLock::default(),
            checkpoints: Mutex::new(0),
            condemned: AtomicBool::new(false),
            #[cfg(test)]
            break_after: Mutex::default(),
        };
        store.redo()?;
        Ok(store)
    }

    /// Writes the last checkpoint again. sled must have the one before it.
    fn redo(&self) -> Result<(), Failure> {
        let written = self.db.get(NUMBER).map_err(|error| broken(Tree::Cursors, &error))?;
        let written = match written.as_deref().map(<[u8; 8]>::try_from) {
            None => 0,
            Some(Ok(number)) => u64::from_le_bytes(number),
            Some(Err(_)) => return Err(Failure::Damaged("its number of checkpoints".into())),
        };
        let Some((number, generation)) = redo::read(&self.folder)? else {
            return match written {
                0 => Ok(()),
                _ => Err(Failure::Damaged("its last checkpoint is missing".into())),
            };
        };
        tracing::info!(number, written, "the store's last checkpoint, and what sled has of it");
        if !(number == written || number == written.saturating_add(1)) {
            let what = format!("checkpoint {number} was written, but sled ends with {written}");
            return Err(Failure::Damaged(what));
        }
        self.apply(number, &generation)?;
        *self.checkpoints.lock() = number;
        Ok(())
    }

    /// Remembers damage for the next start, which makes the store again; until then no checkpoint
    /// is made on top of it.
    fn noted<T>(&self, result: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(Failure::Damaged(why)) = &result
            && !self.condemned.swap(true, Ordering::AcqRel)
        {
            tracing::error!(%why, "the store is damaged: it is made again at the next start");
            // Where one of sled's own threads died over the damage, dropping the database waits for
            // ever for what that thread was to write: let it live as long as the process.
            std::mem::forget(self.db.clone());
            if let Err(error) = std::fs::write(self.folder.join(CONDEMNED), why) {
                tracing::error!(%error, "which the next start cannot be told");
            }
        }
        result
    }

    /// Whether a checkpoint will find room: its redo file, and what sled makes of it.
    fn has_room(&self, generation: &Generation) -> Result<(), Failure> {
        let pairs = generation.values().flatten();
        let bytes: usize =
            pairs.map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum();
        let wanted = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(GROWTH);
        let wanted = wanted.saturating_add(SPARE);
        let free = disk::free(&self.folder).map_err(|error| unsynced(&error))?;
        if free < wanted {
            let what = format!("{free} bytes are free, a checkpoint may take {wanted}");
            return Err(Failure::Full(what));
        }
        Ok(())
    }

    fn shelf(&self, tree: Tree) -> Result<&Shelf, Failure> {
        self.shelves.get(&tree).ok_or_else(|| Failure::Store(format!("no tree {tree:?}")))
    }

    /// Writes a generation into sled: data first, synced, then cursors and the checkpoint's number,
    /// synced too.
    fn apply(&self, number: u64, generation: &Generation) -> Result<(), Failure> {
        let mut written = 0;
        for (tree, changes) in generation.iter().filter(|(tree, _)| **tree != Tree::Cursors) {
            let shelf = self.shelf(*tree)?;
            for (key, value) in changes {
                shelf.write(&self.db, key, value.as_deref())?;
                written += 1;
                self.relieve(written)?;
            }
        }
        self.sync()?;
        let shelf = self.shelf(Tree::Cursors)?;
        for (key, value) in generation.get(&Tree::Cursors).into_iter().flatten() {
            shelf.write(&self.db, key, value.as_deref())?;
        }
        let number = self.db.insert(NUMBER, &number.to_le_bytes());
        number.map_err(|error| broken(Tree::Cursors, &error))?;
        self.sync()
    }

    /// What sled needs now and then during many inserts.
    fn relieve(&self, written: usize) -> Result<(), Failure> {
        #[cfg(test)]
        if self.break_after.lock().is_some_and(|after| written > after) {
            return Err(Failure::Store("told to break off".into()));
        }
        if written.is_multiple_of(COLLECT_EVERY) {
            for _ in 0..4 {
                sled::pin().flush();
            }
        }
        if written.is_multiple_of(FLUSH_EVERY) {
            self.db.flush().map_err(|error| broken(Tree::Snapshots, &error))?;
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), Failure> {
        self.db.flush().map_err(|error| broken(Tree::Snapshots, &error))?;
        self.file.sync_data().map_err(|error| unsynced(&error))
    }

    /// Adds pairs of a range whose changes are all in `changes`, up to `limit`.
    fn merge(
        &self,
        range: &Range,
        changes: overlay::Changes,
        limit: usize,
        found: &mut Vec<Pair>,
    ) -> Result<(), Failure> {
        let shelf = self.shelf(range.tree)?;
        let mut disk = shelf.range(&range.from, &range.to, range.reverse).peekable();
        let mut changes: Vec<_> = changes.into_iter().collect();
        if !range.reverse {
            // Taken from the back.
            changes.reverse();
        }
        while found.len() < limit {
            let on_disk = match disk.peek() {
                Some(Ok((key, _))) => Some(key),
                Some(Err(error)) => return Err(error.clone()),
                None => None,
            };
            let changed = changes.last().map(|(key, _)| key);
            let take_change = match (changed, on_disk) {
                (None, None) => return Ok(()),
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some(changed), Some(on_disk)) => {
                    let replaced = changed == on_disk;
                    let first = replaced || range.is_before(changed, on_disk);
                    if replaced {
                        disk.next();
                    }
                    first
                }
            };
            if take_change {
                let change = changes.pop();
                found.extend(change.and_then(|(key, value)| Some((key, value?))));
            } else if let Some(pair) = disk.next() {
                found.push(pair?);
            }
        }
        Ok(())
    }
}

impl Store for SledStore {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        if let Some(change) = self.overlay.read().get(tree, key) {
            return Ok(change);
        }
        self.noted(self.shelf(tree)?.read(key))
    }

    fn scan(
        &self,
        tree: Tree,
        from: &[u8],
        to: &[u8],
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Pair>, Failure> {
        let mut range = Range { tree, from: from.into(), to: to.into(), reverse };
        let mut found = Vec::new();
        while !range.is_empty() && found.len() < limit {
            // The lock is not held while the disk is read: what is written meanwhile is in here.
            let (changes, bound) = self.overlay.read().window(&range, limit);
            let merged = self.merge(&range.up_to(bound.as_ref()), changes, limit, &mut found);
            self.noted(merged)?;
            let Some(bound) = bound else { break };
            range.go_on_after(bound);
        }
        Ok(found)
    }

    fn put(&self, puts: Vec<Put>) {
        if !puts.is_empty() {
            self.overlay.write().put(puts);
        }
    }

    fn waiting(&self) -> usize {
        self.overlay.read().len()
    }

    fn checkpoint(&self, cursors: &[(&str, u64)]) -> Result<(), Failure> {
        let mut last = self.checkpoints.lock();
        if self.condemned.load(Ordering::Acquire) {
            return Err(Failure::Damaged("no checkpoint is made on top of damage".into()));
        }
        let puts = cursors.iter().map(|(name, cursor)| Put {
            tree: Tree::Cursors,
            key: name.as_bytes().to_vec(),
            value: Some(cursor.to_le_bytes().to_vec()),
        });
        let generation: Arc<Generation> = {
            let mut overlay = self.overlay.write();
            overlay.put(puts.collect());
            overlay.begin()
        };
        self.has_room(&generation)?;
        let number = last.saturating_add(1);
        redo::write(&self.folder, number, &generation)?;
        self.noted(self.apply(number, &generation))?;
        *last = number;
        let done = self.overlay.write().finish();
        drop((done, generation));
        Ok(())
    }

    fn cursor(&self, name: &str) -> Result<u64, Failure> {
        // From the disk: a cursor counts once it is durable.
        let value = self.shelf(Tree::Cursors)?.read(name.as_bytes())?;
        let Some(value) = value else { return Ok(0) };
        let bytes = value.as_slice().try_into();
        let bytes = bytes.map_err(|_| Failure::Damaged(format!("the cursor {name}")))?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// Opens sled; waits a little for its lock. Threads of sled's own pool may still hold the database
/// (and with it the lock) for a moment after the last handle was dropped; another process is not
/// to be feared here, since it would be stopped by the journal's lock.
fn open_sled(sled: &sled::Config, folder: &Path) -> Result<sled::Db, Failure> {
    let patient_until = Instant::now() + LOCK_PATIENCE;
    loop {
        let error = match sled.open() {
            Ok(db) => return Ok(db),
            Err(error) => error,
        };
        // sled tells a lock that is held only by its words.
        let locked = error.to_string().contains("acquire lock");
        if locked && Instant::now() < patient_until {
            thread::sleep(Duration::from_millis(5));
            continue;
        }
        let what = format!("{}: {error}", folder.display());
        return Err(match error {
            sled::Error::Io(error) if disk::is_full(&error) => Failure::Full(what),
            sled::Error::Io(error) if locked || error.kind() == ErrorKind::PermissionDenied => {
                Failure::Store(what)
            }
            _ => Failure::Damaged(what),
        });
    }
}

fn unsynced(error: &std::io::Error) -> Failure {
    let what = format!("sled's file: {error}");
    if disk::is_full(error) { Failure::Full(what) } else { Failure::Store(what) }
}
