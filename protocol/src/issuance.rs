//! Issuance (签发): one journaled run that passes over all accounts in key order, paced, resumable.

use serde::{Deserialize, Serialize};

use crate::{AccountId, Day, Grams, Points, RecordRef, RunNo, SceneNo, Serial, Timestamp};

/// What the issuance desk may be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum IssuanceCommand {
    /// Start a run; the operator's serial makes it idempotent. One run at a time.
    Start {
        /// The operator's serial.
        serial: Serial,
        /// Records of behaviour up to this day.
        through: Day,
        /// Only these scenes; empty for all.
        scenes: Vec<SceneNo>,
        /// Records refused in this run.
        excluded: Vec<RecordRef>,
    },
    /// The run has passed every account up to this one.
    Advance {
        /// The run.
        run: RunNo,
        /// The last account passed.
        through: AccountId,
        /// Accounts passed since the last advance.
        accounts: u32,
    },
    /// The run has passed all accounts.
    Finish {
        /// The run.
        run: RunNo,
    },
    /// Read one run, or the newest.
    Look(Option<RunNo>),
}

/// What the issuance desk answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum IssuanceReply {
    /// A run, with whether this very start had been asked before.
    Run(Box<Run>, bool),
    /// There is none.
    None,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its number.
    pub no: RunNo,
    /// The operator's serial.
    pub serial: Serial,
    /// Records of behaviour up to this day.
    pub through: Day,
    /// Only these scenes; empty for all.
    pub scenes: Vec<SceneNo>,
    /// Records refused.
    pub excluded: Vec<RecordRef>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The last account passed.
    pub cursor: Option<AccountId>,
    /// Accounts passed.
    pub accounts: u64,
}

/// Totals of a run: a fold over the journal, kept by the projector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunTotals {
    /// Records issued.
    pub records: u64,
    /// Records refused.
    pub refused: u64,
    /// Grams issued.
    pub grams: Grams,
    /// Points credited.
    pub points: Points,
}

/// What can have happened to issuance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum IssuanceEvent {
    /// A run began.
    Started {
        /// Its number.
        run: RunNo,
        /// The operator's serial.
        serial: Serial,
        /// Records of behaviour up to this day.
        through: Day,
        /// Only these scenes.
        scenes: Vec<SceneNo>,
        /// Records refused.
        excluded: Vec<RecordRef>,
    },
    /// It passed accounts.
    Advanced {
        /// The run.
        run: RunNo,
        /// The last account passed.
        through: AccountId,
        /// How many since the last advance.
        accounts: u32,
    },
    /// It passed all.
    Finished {
        /// The run.
        run: RunNo,
    },
}
