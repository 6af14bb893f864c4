//! How a stream's state lies in the store: `Tree::Snapshots` holds, under the stream's key,
//! `[version u64][epoch u32][state]` (big endian); `Tree::Pages` holds what the machine sealed,
//! under the stream's key and the page's number.

use carbon_protocol::entry::Stream;

use crate::machines::Machine;
use crate::ports::{Failure, Put, Store, Tree};

/// Version and epoch before the state.
const HEAD: usize = 12;
/// Pages read at once.
const PAGES_AT_ONCE: usize = 256;

/// A snapshot's bytes: which version of the stream it is, in which epoch, and the state.
pub fn encode(version: u64, epoch: u32, state: &[u8]) -> Vec<u8> {
    [&version.to_be_bytes()[..], &epoch.to_be_bytes()[..], state].concat()
}

/// Version, epoch and state of a snapshot; nothing where the bytes are too few to be one.
pub fn decode(bytes: &[u8]) -> Option<(u64, u32, &[u8])> {
    let (head, state) = bytes.split_at_checked(HEAD)?;
    let (version, epoch) = head.split_at_checked(8)?;
    let version = u64::from_be_bytes(version.try_into().ok()?);
    let epoch = u32::from_be_bytes(epoch.try_into().ok()?);
    Some((version, epoch, state))
}

/// The key of a sealed page.
pub fn page_key(stream: Stream, number: u64) -> Vec<u8> {
    [&stream.key()[..], &number.to_be_bytes()[..]].concat()
}

/// A machine as the store has it.
#[derive(Debug)]
pub struct Loaded<M> {
    /// The state.
    pub machine: M,
    /// The stream's version it stands at; 0 for a stream without events.
    pub version: u64,
    /// The epoch it was written in.
    pub epoch: u32,
}

/// Loads a stream's machine: from its snapshot, or new where there is none. Fails where the store
/// does, and where its bytes are no snapshot of this machine.
pub fn load<M: Machine>(store: &dyn Store, stream: Stream) -> Result<Loaded<M>, Failure> {
    let Some(bytes) = store.get(Tree::Snapshots, &stream.key())? else {
        return Ok(Loaded { machine: M::new(stream), version: 0, epoch: 0 });
    };
    let unreadable = || Failure::Store(format!("the snapshot of {stream:?} is not one"));
    let (version, epoch, state) = decode(&bytes).ok_or_else(unreadable)?;
    let pages = if M::LOADS_PAGES { pages(store, stream)? } else { Vec::new() };
    let machine = M::restore(stream, state, &pages).ok_or_else(unreadable)?;
    Ok(Loaded { machine, version, epoch })
}

/// All sealed pages of a stream, by number.
fn pages(store: &dyn Store, stream: Stream) -> Result<Vec<(u64, Vec<u8>)>, Failure> {
    let (mut from, to) = (page_key(stream, 0), page_key(stream, u64::MAX));
    let mut pages = Vec::new();
    loop {
        let pairs = store.scan(Tree::Pages, &from, &to, PAGES_AT_ONCE, false)?;
        let last = pairs.len() < PAGES_AT_ONCE;
        for (key, page) in pairs {
            let number = key.last_chunk::<8>().map(|number| u64::from_be_bytes(*number));
            let number = number.ok_or_else(|| Failure::Store("a page without number".into()))?;
            pages.push((number, page));
            from = page_key(stream, number.saturating_add(1));
        }
        if last {
            return Ok(pages);
        }
    }
}

/// What the store is to hold of a machine: pages sealed since the last time, then the snapshot that
/// no longer holds what is in them.
pub fn puts<M: Machine>(stream: Stream, version: u64, epoch: u32, machine: &mut M) -> Vec<Put> {
    let sealed = machine.take_pages().into_iter();
    let mut puts: Vec<Put> = sealed
        .map(|(number, page)| Put {
            tree: Tree::Pages,
            key: page_key(stream, number),
            // An empty page is one the machine let go.
            value: (!page.is_empty()).then_some(page),
        })
        .collect();
    puts.push(Put {
        tree: Tree::Snapshots,
        key: stream.key(),
        value: Some(encode(version, epoch, &machine.snapshot())),
    });
    puts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_says_its_version_and_epoch() {
        let bytes = encode(7, 3, b"state");
        assert_eq!(decode(&bytes), Some((7, 3, &b"state"[..])));
        assert_eq!(decode(&encode(1, 0, b"")), Some((1, 0, &b""[..])));
        assert_eq!(decode(&bytes[..11]), None);
    }

    #[test]
    fn pages_of_a_stream_lie_together_in_order() {
        use carbon_protocol::AppNo;
        let (one, two) = (Stream::Intake(AppNo(1)), Stream::Intake(AppNo(2)));
        let keys = [page_key(one, 1), page_key(one, 256), page_key(two, 0)];
        assert!(keys.is_sorted());
        assert_eq!(keys[0].len(), 3 + 8);
    }
}
