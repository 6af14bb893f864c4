//! The redo file: the last checkpoint, whole and numbered, beside sled. sled may keep any part of
//! what was inserted before a crash; with this file a checkpoint is there as a whole or not at all,
//! so that followers that add up (totals, runs) never add an entry twice. It stays until the next
//! one takes its place: sled must have every checkpoint before it, or it has lost something.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use carbon_actors::ports::{Failure, Tree};

use super::overlay::Generation;
use crate::disk;

const NAME: &str = "checkpoint.redo";
const UNFINISHED: &str = "checkpoint.new";
/// Stands before the CRC at the end of a complete file.
const MAGIC: &[u8; 8] = b"CgRedo2\0";
/// Number, magic and CRC.
const END: usize = 8 + 8 + 4;

/// Writes a checkpoint durably; from now on it will be there whatever happens.
pub(super) fn write(folder: &Path, number: u64, generation: &Generation) -> Result<(), Failure> {
    let attempt = || -> std::io::Result<()> {
        let unfinished = folder.join(UNFINISHED);
        let mut out =
            Summing { out: BufWriter::new(File::create(&unfinished)?), crc: Default::default() };
        for (tree, changes) in generation {
            for (key, value) in changes {
                out.add(&[tag(*tree), u8::from(value.is_some())])?;
                for bytes in [Some(key), value.as_ref()].into_iter().flatten() {
                    let length = u32::try_from(bytes.len()).map_err(std::io::Error::other)?;
                    out.add(&length.to_le_bytes())?;
                    out.add(bytes)?;
                }
            }
        }
        out.add(&number.to_le_bytes())?;
        let Summing { mut out, crc } = out;
        out.write_all(MAGIC)?;
        out.write_all(&crc.finalize().to_le_bytes())?;
        out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(unfinished, folder.join(NAME))?;
        File::open(folder)?.sync_all()
    };
    attempt().map_err(|error| {
        // Half a file would take the room that the next attempt needs.
        let _ = std::fs::remove_file(folder.join(UNFINISHED));
        failure(&error)
    })
}

/// The last checkpoint with its number. A file that was never finished was never promised.
pub(super) fn read(folder: &Path) -> Result<Option<(u64, Generation)>, Failure> {
    let bytes = match std::fs::read(folder.join(NAME)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failure(&error)),
    };
    let damaged = || Failure::Damaged("the redo file: run `carbon store rebuild`".into());
    let (body, end) = bytes.split_at_checked(bytes.len().wrapping_sub(END)).ok_or_else(damaged)?;
    let (number, end) = end.split_at(8);
    let mut crc = crc32fast::Hasher::new();
    crc.update(body);
    crc.update(number);
    if end[..8] != MAGIC[..] || end[8..] != crc.finalize().to_le_bytes() {
        return Err(damaged());
    }
    let number = u64::from_le_bytes(number.try_into().map_err(|_| damaged())?);
    Ok(Some((number, parse(body).ok_or_else(damaged)?)))
}

fn parse(mut body: &[u8]) -> Option<Generation> {
    let mut generation = Generation::new();
    while !body.is_empty() {
        let (head, rest) = body.split_at_checked(2)?;
        let tree = Tree::ALL.get(usize::from(head[0]))?;
        let (key, rest) = piece(rest)?;
        let (value, rest) = if head[1] == 0 {
            (None, rest)
        } else {
            let (value, rest) = piece(rest)?;
            (Some(value.to_vec()), rest)
        };
        generation.entry(*tree).or_default().insert(key.to_vec(), value);
        body = rest;
    }
    Some(generation)
}

fn piece(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(4)?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).ok()?)
}

/// A tree's place in the list of all.
fn tag(tree: Tree) -> u8 {
    Tree::ALL.iter().zip(0..).find(|(one, _)| **one == tree).map_or(u8::MAX, |(_, tag)| tag)
}

/// Writes, and sums up what it wrote.
struct Summing {
    out: BufWriter<File>,
    crc: crc32fast::Hasher,
}

impl Summing {
    fn add(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.crc.update(bytes);
        self.out.write_all(bytes)
    }
}

fn failure(error: &std::io::Error) -> Failure {
    let what = format!("the redo file: {error}");
    if disk::is_full(error) { Failure::Full(what) } else { Failure::Store(what) }
}
