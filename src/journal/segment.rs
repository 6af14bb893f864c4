//! One segment: a file named by its first sequence, with a header that carries the chain over from
//! the segment before, then frames, then zeros up to its size.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use carbon_actors::ports::Failure;
use parking_lot::Mutex;

use super::frame::{self, HEADER, Hash, Header};
use crate::disk;

/// Length of a segment's header in bytes: magic 8, first sequence 8, BLAKE3 of the frame before 32,
/// CRC32 of these 4, zeros.
pub(super) const START: u64 = 64;
const START_BYTES: usize = 64;
const MAGIC: [u8; 8] = *b"CgSeg1\0\0";
/// A mark in the index for every so many bytes.
const STRIDE: u64 = 256 * 1024;
const EXTENSION: &str = "seg";
/// Under this name a segment is prepared; a crash meanwhile leaves it behind.
const UNFINISHED: &str = "new";

/// Where a frame begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    first: u64,
    offset: u64,
}

/// A segment in the folder.
#[derive(Debug)]
pub(super) struct Segment {
    /// Its first sequence.
    pub first: u64,
    /// Hash of the last frame before it.
    pub before: Hash,
    /// Its file.
    pub path: PathBuf,
    /// Some frames' places, a few per MiB; none until somebody needs them.
    marks: Mutex<Option<Vec<Mark>>>,
}

impl Segment {
    /// Creates an empty segment that is durable under its name when this returns.
    pub fn create(folder: &Path, first: u64, before: Hash, bytes: u64) -> io::Result<(Self, File)> {
        let path = folder.join(format!("{first:020}.{EXTENSION}"));
        let unfinished = path.with_extension(UNFINISHED);
        let created = Self::prepare(&unfinished, first, before, bytes);
        let file = created.inspect_err(|_| {
            // What is left of it takes room that the next attempt needs; it is removed at the next
            // start, too.
            let _ = std::fs::remove_file(&unfinished);
        })?;
        std::fs::rename(&unfinished, &path)?;
        if let Err(error) = sync_folder(folder) {
            // The caller goes on in the old segment: this one would contradict it.
            std::fs::remove_file(&path)?;
            return Err(error);
        }
        let marks = Mutex::new(Some(Vec::new()));
        Ok((Self { first, before, path, marks }, file))
    }

    /// Writes an empty segment, whole and synced, under a name that nobody reads.
    fn prepare(unfinished: &Path, first: u64, before: Hash, bytes: u64) -> io::Result<File> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(unfinished)?;
        let mut start = [0; START_BYTES];
        start[..8].copy_from_slice(&MAGIC);
        start[8..16].copy_from_slice(&first.to_le_bytes());
        start[16..48].copy_from_slice(&before);
        let crc = crc32fast::hash(&start[..48]);
        start[48..52].copy_from_slice(&crc.to_le_bytes());
        file.write_all_at(&start, 0)?;
        // The size is settled before, so that a sync of data need not write the file's length.
        file.set_len(bytes.max(START))?;
        file.sync_all()?;
        Ok(file)
    }

    /// Reads a segment's header.
    pub fn read(path: PathBuf) -> Result<Self, Failure> {
        let broken = |what: &str| Failure::Journal(format!("segment {}: {what}", path.display()));
        let mut start = [0; START_BYTES];
        let read = File::open(&path).and_then(|file| file.read_exact_at(&mut start, 0));
        read.map_err(|error| broken(&format!("its header cannot be read: {error}")))?;
        let word = |at: usize| <[u8; 8]>::try_from(&start[at..at + 8]).map(u64::from_le_bytes);
        let crc = crc32fast::hash(&start[..48]).to_le_bytes();
        let (Ok(first), Ok(before)) = (word(8), <Hash>::try_from(&start[16..48])) else {
            return Err(broken("its header is cut short"));
        };
        if start[..8] != MAGIC || start[48..52] != crc || start[52..] != [0; START_BYTES - 52] {
            return Err(broken("its header is damaged, at offset 0"));
        }
        if path.file_stem().and_then(|stem| stem.to_str()) != Some(&format!("{first:020}")) {
            return Err(broken(&format!("it is named otherwise than its first sequence {first}")));
        }
        Ok(Self { first, before, path, marks: Mutex::new(None) })
    }

    /// The folder's segments in order. What a crash left unfinished is removed.
    pub fn all(folder: &Path) -> Result<Vec<Self>, Failure> {
        let mut paths = Vec::new();
        let listing = std::fs::read_dir(folder).map_err(|error| failure(folder, &error))?;
        for entry in listing {
            let path = entry.map_err(|error| failure(folder, &error))?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(EXTENSION) => paths.push(path),
                Some(UNFINISHED) => {
                    std::fs::remove_file(&path).map_err(|error| failure(&path, &error))?;
                }
                _ => {}
            }
        }
        paths.sort();
        paths.into_iter().map(Self::read).collect()
    }

    /// Remembers where a frame begins, if the last mark is far enough behind.
    pub fn mark(&self, first: u64, offset: u64) {
        let mut marks = self.marks.lock();
        push(marks.get_or_insert_default(), first, offset);
    }

    /// An offset at or before the frame that holds a sequence. `end` is the first sequence that is
    /// not in the segment any more.
    pub fn seek(&self, sequence: u64, end: u64) -> io::Result<u64> {
        let mut marks = self.marks.lock();
        if marks.is_none() {
            *marks = Some(self.index(end)?);
        }
        let marks = marks.as_deref().unwrap_or_default();
        let after = marks.partition_point(|mark| mark.first <= sequence);
        Ok(after.checked_sub(1).map_or(START, |at| marks[at].offset))
    }

    /// Walks over the headers. A damaged one ends the index early; who reads there meets it.
    fn index(&self, end: u64) -> io::Result<Vec<Mark>> {
        let file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        let (mut marks, mut offset, mut bytes) = (Vec::new(), START, [0; HEADER]);
        while offset + HEADER as u64 <= length {
            file.read_exact_at(&mut bytes, offset)?;
            let Some(header) = Header::read(&bytes).filter(|header| header.first < end) else {
                break;
            };
            push(&mut marks, header.first, offset);
            offset += header.length();
        }
        Ok(marks)
    }
}

fn push(marks: &mut Vec<Mark>, first: u64, offset: u64) {
    if marks.last().is_none_or(|last| offset >= last.offset + STRIDE) {
        marks.push(Mark { first, offset });
    }
}

/// A failure of the file system, with the path.
pub(super) fn failure(path: &Path, error: &io::Error) -> Failure {
    let what = format!("{}: {error}", path.display());
    if disk::is_full(error) { Failure::Full(what) } else { Failure::Journal(what) }
}

/// Makes names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// What lies at a place of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A sound frame; its bytes are in the scan.
    Frame(Header),
    /// Zeros up to the end.
    End,
    /// Something that is neither.
    Bad(&'static str),
}

/// Walks over the frames of a segment and checks each.
pub(super) struct Scan {
    file: File,
    length: u64,
    /// Where the next step looks.
    pub offset: u64,
    frame: Vec<u8>,
}

impl Scan {
    /// Starts at an offset.
    pub fn new(file: File, offset: u64) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file, length, offset, frame: Vec::new() })
    }

    /// Looks at what comes next and moves behind it if it is a sound frame.
    pub fn step(&mut self) -> io::Result<Step> {
        let Some(room) = self.length.checked_sub(self.offset + HEADER as u64) else {
            return self.rest_is_empty("the file ends within a header");
        };
        let mut bytes = [0; HEADER];
        self.file.read_exact_at(&mut bytes, self.offset)?;
        if bytes == [0; HEADER] {
            return self.rest_is_empty("a hole of zeros");
        }
        let Some(header) = Header::read(&bytes) else {
            return Ok(Step::Bad("no frame begins here"));
        };
        let Some(size) = usize::try_from(header.payload).ok().filter(|size| *size as u64 <= room)
        else {
            return Ok(Step::Bad("a frame longer than the file"));
        };
        self.frame.clear();
        self.frame.extend_from_slice(&bytes);
        self.frame.resize(HEADER + size, 0);
        self.file.read_exact_at(&mut self.frame[HEADER..], self.offset + HEADER as u64)?;
        if !frame::is_sound(&header, &self.frame) {
            return Ok(Step::Bad("the frame's CRC is wrong"));
        }
        self.offset += header.length();
        Ok(Step::Frame(header))
    }

    /// The frame of the last step, whole.
    pub fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// Everything from the offset on, without the zeros at the end.
    pub fn rest(&self) -> io::Result<Vec<u8>> {
        let room = self.length.saturating_sub(self.offset);
        let mut rest = vec![0; usize::try_from(room).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut rest, self.offset)?;
        let used = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        rest.truncate(used);
        Ok(rest)
    }

    fn rest_is_empty(&self, otherwise: &'static str) -> io::Result<Step> {
        Ok(if self.rest()?.is_empty() { Step::End } else { Step::Bad(otherwise) })
    }
}
