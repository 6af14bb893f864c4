//! Twins: the ports in memory, with switches for what can go wrong. Tests run on them; nothing in
//! here is meant to last.

mod clock;
mod identity;
mod journal;
mod partners;
mod store;
mod subscribers;
mod vault;

use std::sync::atomic::{AtomicUsize, Ordering};

pub use clock::SettableClock;
pub use identity::{SMS_CODE, ScriptedIdentity};
pub use journal::{MemoryJournal, Unreadable};
pub use partners::{Pushed, ScriptedPartners};
pub use store::MemoryStore;
pub use subscribers::CollectingSubscribers;
pub use vault::MemoryVault;

/// How many of the next calls fail.
#[derive(Debug, Default)]
struct Faults(AtomicUsize);

impl Faults {
    /// Lets the next `calls` fail.
    fn plan(&self, calls: usize) {
        self.0.store(calls, Ordering::SeqCst);
    }

    /// Whether this call is one of them.
    fn strike(&self) -> bool {
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

/// A small hash for names in tests (FNV-1a-64): the same on every run, and nothing more than that.
fn fingerprint(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.iter().chain(&[0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
