//! How machines encode their state: a format byte, then rmp-serde. Bytes of another format are no
//! snapshot, and the state is made again from the journal.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Room for what most accounts take: a state is encoded with every turn.
const USUAL_BYTES: usize = 512;

/// A state as bytes.
pub fn encode(format: u8, state: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    bytes.push(format);
    // Integers, texts and lists of them into memory: there is nothing to fail on. Were it to fail
    // all the same, what was written is no snapshot, and `decode` says so.
    if rmp_serde::encode::write(&mut bytes, state).is_err() {
        bytes.clear();
    }
    bytes
}

/// A state from its bytes; nothing where they are none, or of another format.
pub fn decode<T: DeserializeOwned>(format: u8, bytes: &[u8]) -> Option<T> {
    let (found, state) = bytes.split_first()?;
    (*found == format).then(|| rmp_serde::from_slice(state).ok()).flatten()
}
