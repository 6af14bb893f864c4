//! Values as sled holds them: each with a CRC over itself and the key it belongs to, long ones in
//! chunks of their own: up to sixteen items share a node, and sled writes a node that is longer
//! than a quarter of a segment into a file of its own, which costs more than all the rest.

use carbon_actors::ports::{Failure, Pair, Tree};

use super::SEGMENT_BYTES;
use crate::disk;

/// Longest value, in bytes, that lies beside its key: sixteen fit into a quarter of a segment.
const INLINE: usize = SEGMENT_BYTES / 4 / 16 - 128;
const WHOLE: u8 = 0;
const CHUNKED: u8 = 1;

/// One sled tree with the tree of its chunks.
pub(super) struct Shelf {
    tree: Tree,
    items: sled::Tree,
    chunks: sled::Tree,
}

/// Pairs as they are read.
type Pairs<'s> = Box<dyn Iterator<Item = Result<Pair, Failure>> + 's>;

/// Where a long value lies: chunks are never changed in place, a new value takes new ones.
struct Chunks {
    id: u64,
    count: u32,
}

impl Chunks {
    fn key(&self, at: u32) -> [u8; 12] {
        let mut key = [0; 12];
        key[..8].copy_from_slice(&self.id.to_be_bytes());
        key[8..].copy_from_slice(&at.to_be_bytes());
        key
    }
}

impl Shelf {
    /// The shelf of a tree.
    pub fn open(db: &sled::Db, tree: Tree, chunks: &sled::Tree) -> Result<Self, Failure> {
        let items = db.open_tree(format!("{tree:?}")).map_err(|error| broken(tree, &error))?;
        Ok(Self { tree, items, chunks: chunks.clone() })
    }

    /// Writes one item; none removes it.
    pub fn write(&self, db: &sled::Db, key: &[u8], value: Option<&[u8]>) -> Result<(), Failure> {
        let written = match value {
            Some(value) => self.insert(db, key, value),
            None => self.items.remove(key),
        };
        // The old chunks go last: whatever a crash leaves, the item's own chunks are there.
        let old = written.map_err(|error| broken(self.tree, &error))?;
        if let Some(chunks) = old.as_deref().and_then(chunks_of) {
            for at in 0..chunks.count {
                self.chunks.remove(chunks.key(at)).map_err(|error| broken(self.tree, &error))?;
            }
        }
        Ok(())
    }

    fn insert(&self, db: &sled::Db, key: &[u8], value: &[u8]) -> sled::Result<Option<sled::IVec>> {
        let mut item = self.crc(key, value).to_le_bytes().to_vec();
        if value.len() <= INLINE {
            item.push(WHOLE);
            item.extend_from_slice(value);
        } else {
            let count = u32::try_from(value.len().div_ceil(INLINE)).unwrap_or(u32::MAX);
            let chunks = Chunks { id: db.generate_id()?, count };
            for (at, chunk) in (0..).zip(value.chunks(INLINE)) {
                self.chunks.insert(chunks.key(at), chunk)?;
            }
            item.push(CHUNKED);
            item.extend_from_slice(&chunks.id.to_le_bytes());
            item.extend_from_slice(&chunks.count.to_le_bytes());
        }
        self.items.insert(key, item)
    }

    /// Reads one item.
    pub fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        // A chunked value may be replaced between the reading of its item and of its chunks; the
        // second look finds the new one.
        for _ in 0..3 {
            let found = self.items.get(key).map_err(|error| broken(self.tree, &error))?;
            let Some(item) = found else { return Ok(None) };
            if let Some(value) = self.value(key, &item)? {
                return Ok(Some(value));
            }
        }
        Err(self.damaged())
    }

    /// The items of a range, in order or against it.
    pub fn range(&self, from: &[u8], to: &[u8], reverse: bool) -> Pairs<'_> {
        let items = self.items.range(from..to);
        let open = |item: sled::Result<(sled::IVec, sled::IVec)>| {
            let (key, item) = item.map_err(|error| broken(self.tree, &error))?;
            match self.value(&key, &item)? {
                Some(value) => Ok(Some((key.to_vec(), value))),
                None => Ok(self.read(&key)?.map(|value| (key.to_vec(), value))),
            }
        };
        if reverse {
            Box::new(items.rev().map(open).filter_map(Result::transpose))
        } else {
            Box::new(items.map(open).filter_map(Result::transpose))
        }
    }

    /// The value of an item; none where its chunks are gone.
    fn value(&self, key: &[u8], item: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let (crc, rest) = item.split_at_checked(4).ok_or_else(|| self.damaged())?;
        let value = match (rest.split_first(), chunks_of(item)) {
            (Some((&WHOLE, value)), _) => value.to_vec(),
            (_, Some(chunks)) => {
                let mut value = Vec::new();
                for at in 0..chunks.count {
                    let chunk = self.chunks.get(chunks.key(at));
                    match chunk.map_err(|error| broken(self.tree, &error))? {
                        Some(chunk) => value.extend_from_slice(&chunk),
                        None => return Ok(None),
                    }
                }
                value
            }
            _ => return Err(self.damaged()),
        };
        if self.crc(key, &value).to_le_bytes() == crc {
            Ok(Some(value))
        } else {
            Err(self.damaged())
        }
    }

    fn crc(&self, key: &[u8], value: &[u8]) -> u32 {
        let mut crc = crc32fast::Hasher::new();
        crc.update(key);
        crc.update(value);
        crc.finalize()
    }

    fn damaged(&self) -> Failure {
        Failure::Damaged(format!("a value in {:?}: run `carbon store rebuild`", self.tree))
    }

    /// Puts raw bytes under a key, as damage would.
    #[cfg(test)]
    pub fn damage(&self, key: &[u8], by: impl Fn(&mut Vec<u8>)) {
        let mut item = self.items.get(key).unwrap().unwrap().to_vec();
        by(&mut item);
        self.items.insert(key, item).unwrap();
    }

    /// How many chunks there are, of all shelves.
    #[cfg(test)]
    pub fn chunk_count(&self) -> usize {
        self.chunks.len()
    }
}

fn chunks_of(item: &[u8]) -> Option<Chunks> {
    let (kind, place) = item.get(4..)?.split_first()?;
    let (id, count) = place.split_at_checked(8)?;
    let id = u64::from_le_bytes(id.try_into().ok()?);
    let count = u32::from_le_bytes(count.try_into().ok()?);
    (*kind == CHUNKED).then_some(Chunks { id, count })
}

/// A failure of sled, with the tree.
pub(super) fn broken(tree: Tree, error: &sled::Error) -> Failure {
    let what = format!("{tree:?}: {error}");
    match error {
        sled::Error::Io(error) if disk::is_full(error) => Failure::Full(what),
        sled::Error::Io(_) => Failure::Store(what),
        _ => Failure::Damaged(what),
    }
}
