//! Why a command was not carried out: it was refused, or something broke.

use carbon_protocol::{Reason, Rejection};

use crate::ports::Failure;

/// *No* (the caller's matter, 4xx) or *broken* (ours, 503): never mixed up.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusal {
    /// Refused: nothing was changed.
    #[error("refused: {0}")]
    No(Rejection),
    /// Broken: the outcome may be asked for again with the same serial.
    #[error(transparent)]
    Broken(#[from] Failure),
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::No(rejection)
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self::No(reason.into())
    }
}
