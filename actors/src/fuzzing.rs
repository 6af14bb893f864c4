//! What the fuzzer drives of the actors: the store's bytes as a machine reads them. Compiled for
//! tests and for `tests/fuzz` only.

use carbon_protocol::entry::Stream;
use carbon_protocol::{AccountId, AppNo};

use crate::machines::Machine;
use crate::machines::account::Account;
use crate::machines::claims::Claims;
use crate::machines::courier::Courier;
use crate::machines::intake::Intake;
use crate::machines::issuance::Issuance;
use crate::machines::registry::Registry;
use crate::snapshot;

/// A snapshot, and a page after it where the first byte says how long the snapshot is. The second
/// byte says of which machine.
pub fn snapshots(data: &[u8]) {
    let Some(([length, kind], bytes)) = data.split_first_chunk::<2>() else { return };
    let (state, page) = bytes.split_at(usize::from(*length).min(bytes.len()));
    let state = if page.is_empty() { bytes } else { state };
    let pages = [(0, page.to_vec())];
    let app = AppNo(3);
    match kind % 6 {
        0 => restored::<Account>(Stream::Account(AccountId([7; 16])), state, &pages),
        1 => restored::<Intake>(Stream::Intake(app), state, &pages),
        2 => restored::<Courier>(Stream::Courier(app), state, &pages),
        3 => restored::<Claims>(Stream::Claims, state, &pages),
        4 => restored::<Registry>(Stream::Registry, state, &pages),
        _ => restored::<Issuance>(Stream::Issuance, state, &pages),
    }
    if let Some((version, epoch, state)) = snapshot::decode(bytes) {
        assert_eq!(snapshot::encode(version, epoch, state), bytes);
    }
}

/// What was restored can be judged, and writes a snapshot that is one.
fn restored<M: Machine>(stream: Stream, state: &[u8], pages: &[(u64, Vec<u8>)]) {
    let Some(machine) = M::restore(stream, state, pages) else { return };
    // What is judged wrong is never asked anything: the shell stops there.
    if machine.check().is_ok() {
        assert!(M::restore(stream, &machine.snapshot(), pages).is_some(), "its own snapshot");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The target stays alive without a fuzzer: empty states, every byte of them changed.
    #[test]
    fn good_snapshots_and_what_is_near_them_break_nothing() {
        let app = AppNo(3);
        let states = [
            Account::new(Stream::Account(AccountId([7; 16]))).snapshot(),
            Intake::new(Stream::Intake(app)).snapshot(),
            Courier::new(Stream::Courier(app)).snapshot(),
            Claims::new(Stream::Claims).snapshot(),
            Registry::new(Stream::Registry).snapshot(),
            Issuance::new(Stream::Issuance).snapshot(),
        ];
        for (kind, state) in (0..).zip(states) {
            for place in 0..state.len() {
                for length in [0, 1, 255] {
                    let mut bytes = [&[length, kind], &state[..]].concat();
                    snapshots(&bytes);
                    bytes[place + 2] ^= 1 << (place % 8);
                    snapshots(&bytes);
                }
            }
        }
    }
}
