//! What the fuzzer drives of the journal: a segment of any bytes is opened, verified or refused.
//! Compiled for tests and for `tests/fuzz` only.

use std::path::Path;

use carbon_protocol::entry::{Entry, Stream};

use super::frame::{self, HEADER, Header};
use super::opening;
use super::segment::START;

/// One frame. With an odd first byte the header's CRC is put right, so that what lies behind it is
/// reached as well.
pub fn frames(data: &[u8]) {
    let Some((flags, bytes)) = data.split_first() else { return };
    let mut bytes = bytes.to_vec();
    if flags & 1 == 1 {
        repair(&mut bytes, None);
    }
    let _ = frame::stated_durable(&bytes);
    let Some(header) = bytes.first_chunk::<HEADER>().and_then(Header::read) else { return };
    assert!(header.length() >= HEADER as u64 && header.next() >= header.first);
    if frame::is_sound(&header, &bytes)
        && let Some(entries) = frame::entries(&header, &bytes)
    {
        assert_eq!(entries.len() as u64, u64::from(header.count));
        for entry in entries {
            let _ = rmp_serde::from_slice::<Entry>(entry);
        }
    }
    entry(&bytes);
}

/// One entry: what is read is written, and is read again as the same.
pub fn entry(data: &[u8]) {
    let _ = Stream::from_key(data).map(|stream| assert_eq!(stream.key(), data));
    let Ok(entry) = rmp_serde::from_slice::<Entry>(data) else { return };
    let written = rmp_serde::to_vec(&entry);
    let again = written.map(|written| rmp_serde::from_slice::<Entry>(&written).ok());
    assert!(matches!(again, Ok(Some(again)) if again == entry), "it is not read as written");
}

/// A whole segment in a folder of its own: whatever was opened is verified afterwards, and opening
/// again finds the same end.
pub fn segment(folder: &Path, data: &[u8]) {
    let Some((flags, frames)) = data.split_first() else { return };
    let mut frames = frames.to_vec();
    if flags & 1 == 1 {
        repair(&mut frames, Some([0; 32]));
    }
    let mut bytes = vec![0; 64];
    bytes[..8].copy_from_slice(b"CgSeg1\0\0");
    bytes[8..16].copy_from_slice(&1_u64.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..48]);
    bytes[48..52].copy_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(&frames);
    if flags & 2 == 2 {
        // A header that is damaged, too.
        bytes[usize::from(flags >> 2)] ^= 1;
    }
    let path = folder.join(format!("{:020}.seg", 1));
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, &bytes));
    assert!(written.is_ok(), "the folder of the fuzzer cannot be written");
    let length = bytes.len() as u64;
    let first = opening::open(folder, length, 0).map(|opened| opened.end);
    let Ok(end) = first else { return };
    assert!(end.offset >= START && end.offset <= length && end.next >= 1);
    let again = opening::open(folder, length, end.next - 1).map(|opened| opened.end);
    assert_eq!(again.ok(), Some(end), "opened again it ends elsewhere");
    if let Ok(verified) = opening::verify_all(folder) {
        assert_eq!(verified.last, end.next - 1);
    }
}

/// Puts lengths and CRCs of the frames right, and the chain where it is asked for: no fuzzer finds
/// a hash.
fn repair(bytes: &mut [u8], mut chain: Option<frame::Hash>) {
    let mut rest = bytes;
    while rest.len() >= HEADER {
        let wished = u32::from_le_bytes([rest[8], rest[9], rest[10], rest[11]]);
        let room = rest.len() - HEADER;
        let length = usize::try_from(wished).unwrap_or(room).min(room);
        let (frame, after) = rest.split_at_mut(HEADER + length);
        frame[8..12].copy_from_slice(&u32::try_from(length).unwrap_or(0).to_le_bytes());
        if let Some(before) = &mut chain {
            frame[36..68].copy_from_slice(before);
        }
        let mut crc = crc32fast::Hasher::new();
        crc.update(&frame[..68]);
        crc.update(&frame[HEADER..]);
        frame[68..72].copy_from_slice(&crc.finalize().to_le_bytes());
        if let Some(before) = &mut chain {
            *before = frame::hash_of(frame);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carbon_actors::ports::Append;
    use carbon_protocol::Timestamp;
    use carbon_protocol::entry::FORMAT;

    /// The targets stay alive without a fuzzer: two good frames, every byte of them changed.
    #[test]
    fn good_frames_and_what_is_near_them_break_nothing() {
        let entry = Entry {
            format: FORMAT,
            stream: Stream::Registry,
            version: 1,
            epoch: 1,
            at: Timestamp(1),
            events: Vec::new(),
        };
        let bytes = rmp_serde::to_vec(&entry).unwrap();
        let append = Append { bytes, entry: entry.into(), puts: Vec::new() };
        let (mut one, mut two) = (Vec::new(), Vec::new());
        let hash = frame::write(&mut one, 1, 0, &[0; 32], &[&append]);
        frame::write(&mut two, 2, 1, &hash, &[&append]);
        let good = [one, two].concat();
        let folder = tempfile::tempdir().unwrap();
        for place in 0..good.len() {
            for flags in 0..2 {
                let mut bytes = [&[flags], &good[..]].concat();
                bytes[place + 1] ^= 1 << (place % 8);
                frames(&bytes);
                if place % 16 == 0 {
                    segment(folder.path(), &bytes);
                }
            }
        }
        segment(folder.path(), &[&[0], &good[..]].concat());
        assert_eq!(opening::verify_all(folder.path()).unwrap().last, 2);
    }
}
