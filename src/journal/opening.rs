//! Opening: which segments there are, whether they fit together, and where the journal ends. A torn
//! tail is cut with a clear line in the log; whatever else does not fit is refused, never skipped.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use carbon_actors::ports::Failure;
use carbon_protocol::entry::Entry;

use super::frame::{self, Hash, Header};
use super::segment::{START, Scan, Segment, Step, failure, sync_folder};

/// The hash before the first frame of all.
const GENESIS: Hash = [0; 32];

/// A journal's folder as found.
pub(super) struct Opened {
    pub lock: File,
    pub segments: Vec<Segment>,
    pub file: File,
    pub end: End,
}

/// Where the journal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// Offset in the last segment.
    pub offset: u64,
    /// The next sequence.
    pub next: u64,
    /// Hash of the last frame.
    pub chain: Hash,
}

/// What a walk over a journal found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// Segments walked.
    pub segments: u64,
    /// Groups in them.
    pub groups: u64,
    /// Entries in them.
    pub entries: u64,
    /// The first sequence there is.
    pub first: u64,
    /// The last one; `first - 1` where there is none.
    pub last: u64,
}

/// Checks a journal that nobody has open, from the first segment that is there to the last frame:
/// every CRC, the chain, the order, and that every entry can be read. Changes nothing.
pub fn verify_all(folder: &Path) -> Result<Verified, Failure> {
    let _lock = lock(folder)?;
    let segments = Segment::all(folder)?;
    let first = segments.first().map_or(1, |segment| segment.first);
    let mut verified = Verified { first, last: first - 1, ..Verified::default() };
    walk(&segments, 0, &mut |header, bytes, place| {
        let entries = frame::entries(header, bytes).unwrap_or_default();
        let readable = entries.iter().all(|entry| rmp_serde::from_slice::<Entry>(entry).is_ok());
        if entries.len() as u64 != u64::from(header.count) || !readable {
            return Err(place.corrupt(header.first, "an entry cannot be read"));
        }
        verified.groups += 1;
        verified.entries += u64::from(header.count);
        verified.last = header.next() - 1;
        Ok(())
    })?;
    verified.segments = segments.len() as u64;
    Ok(verified)
}

/// Whether a folder's journal reaches back to the first entry of all, or none was written.
pub fn is_whole(folder: &Path) -> Result<bool, Failure> {
    match folder.is_dir() {
        true => Ok(Segment::all(folder)?.first().is_none_or(|segment| segment.first == 1)),
        false => Ok(true),
    }
}

/// Opens a folder for writing; checks fully what comes after `verify_from`, which is a sequence
/// somebody (the store) knows to be durable.
pub(super) fn open(folder: &Path, bytes: u64, verify_from: u64) -> Result<Opened, Failure> {
    std::fs::create_dir_all(folder).map_err(|error| failure(folder, &error))?;
    let lock = lock(folder)?;
    let mut segments = Segment::all(folder)?;
    if segments.is_empty() {
        missing(0, verify_from)?;
        let created = Segment::create(folder, 1, GENESIS, bytes);
        let (segment, file) = created.map_err(|error| failure(folder, &error))?;
        let end = End { offset: START, next: 1, chain: GENESIS };
        return Ok(Opened { lock, segments: vec![segment], file, end });
    }
    let (end, torn) = walk(&segments, verify_from, &mut |_, _, _| Ok(()))?;
    missing(end.next - 1, verify_from)?;
    let last = segments.pop().ok_or_else(|| Failure::Journal("no segment".into()))?;
    let file = OpenOptions::new().read(true).write(true).open(&last.path);
    let file = file.map_err(|error| failure(&last.path, &error))?;
    if torn {
        // What was torn must not be taken for a frame by anybody later.
        cut(&file, end.offset, bytes).map_err(|error| failure(&last.path, &error))?;
    }
    segments.push(last);
    Ok(Opened { lock, segments, file, end })
}

/// Cuts a segment and makes it as long as before with zeros; durable when it returns.
pub(super) fn cut(file: &File, offset: u64, bytes: u64) -> std::io::Result<()> {
    file.set_len(offset)?;
    file.set_len(bytes.max(offset))?;
    file.sync_all()
}

fn lock(folder: &Path) -> Result<File, Failure> {
    let path = folder.join("journal.lock");
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = opened.map_err(|error| failure(&path, &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(Failure::Journal(format!("{}: open elsewhere", folder.display())));
        }
        Err(TryLockError::Error(error)) => return Err(failure(&path, &error)),
    }
    sync_folder(folder).map_err(|error| failure(folder, &error))?;
    Ok(file)
}

fn missing(last: u64, known: u64) -> Result<(), Failure> {
    if last >= known {
        return Ok(());
    }
    Err(Failure::Journal(format!(
        "it ends at sequence {last}, but the store knows of {known}: durable entries are gone"
    )))
}

/// Where a walk is.
struct Place<'s> {
    segment: &'s Segment,
    offset: u64,
}

impl Place<'_> {
    fn corrupt(&self, sequence: u64, what: &str) -> Failure {
        let (path, offset) = (self.segment.path.display(), self.offset);
        Failure::Journal(format!("{path} at offset {offset}, sequence {sequence}: {what}"))
    }
}

type Visit<'v> = &'v mut dyn FnMut(&Header, &[u8], &Place<'_>) -> Result<(), Failure>;

/// Walks over everything after a sequence, and says where the journal ends and whether that is a
/// torn tail.
fn walk(segments: &[Segment], from: u64, visit: Visit<'_>) -> Result<(End, bool), Failure> {
    let start = segments.partition_point(|segment| segment.first <= from.saturating_add(1));
    let start = start.saturating_sub(1);
    let first = segments.get(start).map_or((1, GENESIS), |first| (first.first, first.before));
    let (mut end, mut torn) = (End { offset: START, next: first.0, chain: first.1 }, false);
    for (at, segment) in segments.iter().enumerate().skip(start) {
        let place = Place { segment, offset: 0 };
        if segment.first != end.next {
            let what = format!("a segment is missing: sequence {} is expected here", end.next);
            return Err(place.corrupt(segment.first, &what));
        }
        if segment.before != end.chain {
            return Err(place.corrupt(segment.first, "the chain from the segment before is broken"));
        }
        end.offset = START;
        let last = at + 1 == segments.len();
        torn = walk_segment(segment, last.then_some(from), &mut end, visit)?;
    }
    Ok((end, torn))
}

/// Walks over one segment; `tail` is given for the last one, which alone may be torn, and is the
/// highest sequence known durable from elsewhere.
fn walk_segment(
    segment: &Segment,
    tail: Option<u64>,
    end: &mut End,
    visit: Visit<'_>,
) -> Result<bool, Failure> {
    let broken = |error: std::io::Error| failure(&segment.path, &error);
    let file = File::open(&segment.path).map_err(broken)?;
    let mut scan = Scan::new(file, START).map_err(broken)?;
    loop {
        let place = Place { segment, offset: scan.offset };
        match scan.step().map_err(broken)? {
            Step::Frame(header) => {
                if header.first != end.next || header.durable >= header.first {
                    return Err(place.corrupt(end.next, "a frame out of order"));
                }
                if header.before != end.chain {
                    return Err(place.corrupt(end.next, "the chain is broken"));
                }
                visit(&header, scan.frame(), &place)?;
                segment.mark(header.first, place.offset);
                let (offset, next) = (scan.offset, header.next());
                *end = End { offset, next, chain: frame::hash_of(scan.frame()) };
            }
            Step::End => return Ok(false),
            Step::Bad(what) => {
                let Some(known) = tail else {
                    return Err(place.corrupt(end.next, what));
                };
                let rest = scan.rest().map_err(broken)?;
                // Nobody was told that a group is durable before a later frame, or the store,
                // could state it. So a bad frame that nobody states was never answered.
                let stated = frame::stated_durable(rest.get(1..).unwrap_or_default());
                let known = known.max(stated.unwrap_or(0));
                if end.next <= known {
                    let what = format!("{what}, though {known} is known to be durable");
                    return Err(place.corrupt(end.next, &what));
                }
                tracing::warn!(
                    segment = %segment.path.display(),
                    offset = place.offset,
                    sequence = end.next,
                    bytes = rest.len(),
                    "the journal's tail is torn ({what}): it was never acknowledged, and is cut"
                );
                return Ok(true);
            }
        }
    }
}
