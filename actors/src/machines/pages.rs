//! Pages on their way to the store: sealed by a machine, or let go, since the last hand-out.

use serde::Serialize;

/// Not part of a machine's state, nor of its comparison: a restored machine has none to hand out.
#[derive(Debug, Clone, Default)]
pub struct FreshPages(Vec<(u64, Vec<u8>)>);

impl PartialEq for FreshPages {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for FreshPages {}

impl FreshPages {
    /// A page was sealed.
    pub fn seal<T: Serialize>(&mut self, number: u64, page: &[T]) {
        // Bytes and numbers into memory: nothing to fail on. An empty page would be noticed when it
        // is loaded.
        self.0.push((number, rmp_serde::to_vec(page).unwrap_or_default()));
    }

    /// A page was let go: an empty one takes it out of the store.
    pub fn let_go(&mut self, number: u64) {
        self.0.push((number, Vec::new()));
    }

    /// Hands out what has come since the last call.
    pub fn take(&mut self) -> Vec<(u64, Vec<u8>)> {
        std::mem::take(&mut self.0)
    }
}
