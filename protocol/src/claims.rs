//! Claims on things that can be reported once by anybody: a vehicle's day, a household's month.
//! Reserved before a batch is accepted; owned by the record's serial, so a retry keeps its claim.

use serde::{Deserialize, Serialize};

use crate::{AppNo, Day, Serial};

/// What the claims book may be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum ClaimsCommand {
    /// Claim everything the rows name; one verdict a row.
    Reserve {
        /// The application.
        app: AppNo,
        /// Rows with resources.
        rows: Vec<ResourceRow>,
    },
}

/// A row's resources.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResourceRow {
    /// The record's serial: the owner of the claim, with the application.
    pub serial: Serial,
    /// SM3 of each resource's name, cut to 16 bytes.
    pub resources: Vec<u128>,
    /// The day after which the claim may be forgotten (a record of that age is too old).
    pub keep_until: Day,
}

/// What the claims book answers: whether each row has all its claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimsReply(pub Vec<bool>);

/// What can have happened to the claims book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClaimsEvent {
    /// Claims were made.
    Claimed {
        /// The claims.
        claims: Vec<Claim>,
    },
}

/// One claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The resource.
    pub resource: u128,
    /// SM3 of (application, record serial), cut to 8 bytes.
    pub owner: u64,
    /// When it may be forgotten.
    pub keep_until: Day,
}
