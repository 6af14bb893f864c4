//! Bugs that can be planted at their real places, so that a test shows that the virtual world finds
//! each of them. Without the feature `planted`, which only tests ask for, none can be switched on.

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// A command is answered before its entry is durable.
    ReplyBeforeAppend,
    /// The router counts as delivered what it has only handed over.
    CursorTooEarly,
    /// An account that was put to sleep does not remember the serials of its orders.
    SerialForgotten,
    /// One point more than was captured can be refunded.
    RefundCap,
    /// A push that is tried again carries other event ids.
    PushIdChanged,
    /// Every second state of a stream is not stored.
    SnapshotBehind,
}

impl Planted {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::ReplyBeforeAppend,
        Self::CursorTooEarly,
        Self::SerialForgotten,
        Self::RefundCap,
        Self::PushIdChanged,
        Self::SnapshotBehind,
    ];
}

#[cfg(feature = "planted")]
mod switch {
    use std::cell::Cell;

    use super::Planted;

    thread_local! {
        static BUG: Cell<Option<Planted>> = const { Cell::new(None) };
    }

    /// Plants a bug into everything that runs on this thread from now on.
    pub fn plant(bug: Planted) {
        BUG.set(Some(bug));
    }

    /// Whether a bug is planted here.
    pub fn is_planted(bug: Planted) -> bool {
        BUG.get() == Some(bug)
    }
}

#[cfg(feature = "planted")]
pub use switch::{is_planted, plant};

/// Whether a bug is planted here: none can be.
#[cfg(not(feature = "planted"))]
#[must_use]
pub const fn is_planted(_: Planted) -> bool {
    false
}
