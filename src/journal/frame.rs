//! One group of entries as it lies on the disk: a header that states what went before, the streams
//! touched, the entries, and checks over all of it.
//!
//! A header is 72 bytes, little endian: magic 4, format 4, payload length 4, length of the keys 4,
//! first sequence 8, number of entries 4, last sequence known durable before 8, BLAKE3 of the frame
//! before 32, CRC32 of header and payload 4. The payload is the keys (a length byte each), then the
//! entries (four length bytes each). The keys stand first so that a scan can leave the entries out.

use std::collections::BTreeSet;

use carbon_actors::ports::Append;

/// Length of a frame's header in bytes.
pub(super) const HEADER: usize = 72;
/// Where the header's CRC lies; it covers everything else of the frame.
const CRC: usize = 68;
/// The first bytes of every frame.
pub(super) const MAGIC: [u8; 4] = *b"CgF1";
/// The only format so far.
const FORMAT: u32 = 1;

/// BLAKE3 of a frame: what the next one states.
pub(super) type Hash = [u8; 32];

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Length of the payload.
    pub payload: u32,
    /// How much of it are keys.
    pub keys: u32,
    /// Sequence of the first entry (of the next one, where there are none).
    pub first: u64,
    /// How many entries.
    pub count: u32,
    /// The last sequence that was durable when the frame was written.
    pub durable: u64,
    /// Hash of the frame before.
    pub before: Hash,
    /// CRC32 of everything else.
    pub crc: u32,
}

impl Header {
    /// Reads a header; nothing where the bytes are none. Says nothing of the frame's soundness.
    pub fn read(bytes: &[u8; HEADER]) -> Option<Self> {
        let word = |at: usize| u32::from_le_bytes(four(bytes, at));
        let long = |at: usize| u64::from_le_bytes(eight(bytes, at));
        if bytes[..4] != MAGIC || word(4) != FORMAT {
            return None;
        }
        let mut before = [0; 32];
        before.copy_from_slice(&bytes[36..CRC]);
        let (payload, keys) = (word(8), word(12));
        let (first, count, durable) = (long(16), word(24), long(28));
        Some(Self { payload, keys, first, count, durable, before, crc: word(CRC) })
    }

    /// Length of the whole frame in bytes.
    pub fn length(&self) -> u64 {
        HEADER as u64 + u64::from(self.payload)
    }

    /// The sequence after the frame's last entry.
    pub fn next(&self) -> u64 {
        self.first.saturating_add(u64::from(self.count))
    }
}

fn four(bytes: &[u8], at: usize) -> [u8; 4] {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    word
}

fn eight(bytes: &[u8], at: usize) -> [u8; 8] {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    word
}

/// Writes a frame over whatever the buffer held and returns its hash. The caller bounds the bytes
/// of a group far below what a length field holds.
pub(super) fn write(
    frame: &mut Vec<u8>,
    first: u64,
    durable: u64,
    before: &Hash,
    appends: &[&Append],
) -> Hash {
    frame.clear();
    frame.resize(HEADER, 0);
    let keys: BTreeSet<Vec<u8>> = appends.iter().map(|append| append.entry.stream.key()).collect();
    for key in keys {
        // A stream's key has at most 17 bytes.
        frame.push(u8::try_from(key.len()).unwrap_or(u8::MAX));
        frame.extend_from_slice(&key);
    }
    let keys = length(frame.len() - HEADER);
    for append in appends {
        frame.extend_from_slice(&length(append.bytes.len()).to_le_bytes());
        frame.extend_from_slice(&append.bytes);
    }
    let payload = length(frame.len() - HEADER);
    frame[..4].copy_from_slice(&MAGIC);
    frame[4..8].copy_from_slice(&FORMAT.to_le_bytes());
    frame[8..12].copy_from_slice(&payload.to_le_bytes());
    frame[12..16].copy_from_slice(&keys.to_le_bytes());
    frame[16..24].copy_from_slice(&first.to_le_bytes());
    frame[24..28].copy_from_slice(&length(appends.len()).to_le_bytes());
    frame[28..36].copy_from_slice(&durable.to_le_bytes());
    frame[36..CRC].copy_from_slice(before);
    let crc = crc_of(frame);
    frame[CRC..HEADER].copy_from_slice(&crc.to_le_bytes());
    hash_of(frame)
}

/// A length as written. Groups are bounded (`group_bytes` is a u32), so nothing is ever cut off; if
/// it were, the frame would be refused when read, not read wrongly.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Hash of a whole frame.
pub(super) fn hash_of(frame: &[u8]) -> Hash {
    *blake3::hash(frame).as_bytes()
}

/// Whether a whole frame is as it was written.
pub(super) fn is_sound(header: &Header, frame: &[u8]) -> bool {
    frame.len() as u64 == header.length() && crc_of(frame) == header.crc
}

fn crc_of(frame: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&frame[..CRC]);
    crc.update(&frame[HEADER..]);
    crc.finalize()
}

/// The entries' bytes of a sound frame; nothing where its lengths contradict each other.
pub(super) fn entries<'f>(header: &Header, frame: &'f [u8]) -> Option<Vec<&'f [u8]>> {
    let keys = usize::try_from(header.keys).ok()?;
    let mut rest = frame.get(HEADER..)?.get(keys..)?;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_at_checked(4)?;
        let length = usize::try_from(u32::from_le_bytes(four(length, 0))).ok()?;
        let (entry, after) = after.split_at_checked(length)?;
        found.push(entry);
        rest = after;
    }
    (found.len() as u64 == u64::from(header.count)).then_some(found)
}

/// The highest durable point that any sound frame within the bytes states, wherever it starts.
pub(super) fn stated_durable(bytes: &[u8]) -> Option<u64> {
    let starts =
        (0..bytes.len().saturating_sub(HEADER - 1)).filter(|at| bytes[*at..].starts_with(&MAGIC));
    let sound = starts.filter_map(|at| {
        let header = Header::read(bytes[at..at + HEADER].try_into().ok()?)?;
        let end = usize::try_from(header.length()).ok()?.checked_add(at)?;
        is_sound(&header, bytes.get(at..end)?).then_some(header.durable)
    });
    sound.max()
}
