//! Issuance (签发): batches that one operator prepares and another approves, whole or in part. An
//! approved one is a journaled run that passes over all accounts in key order, paced, resumable.

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, Day, Grams, OperatorId, Points, RecordRef, RunNo, SceneNo, Serial, Timestamp,
};

/// Which records a run is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Records of behaviour up to this day.
    pub through: Day,
    /// Only these scenes; empty for all.
    pub scenes: Vec<SceneNo>,
    /// Records refused in this run.
    pub excluded: Vec<RecordRef>,
}

/// What the issuance desk may be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum IssuanceCommand {
    /// Prepare a run and approve it in one act, where the policy does not want two persons; the
    /// operator's serial makes it idempotent. One run is under way at a time.
    Start {
        /// The operator's serial.
        serial: Serial,
        /// Which records.
        scope: Scope,
        /// By whom.
        by: OperatorId,
    },
    /// Prepare a run: it waits for its approval.
    Prepare {
        /// The operator's serial.
        serial: Serial,
        /// Which records.
        scope: Scope,
        /// By whom.
        by: OperatorId,
    },
    /// Approve a prepared run, whole or in part: it begins.
    Approve {
        /// The run.
        run: RunNo,
        /// Of its scenes only these; empty for all of them. What is left out stays pending.
        scenes: Vec<SceneNo>,
        /// More records that are refused.
        excluded: Vec<RecordRef>,
        /// By whom.
        by: OperatorId,
    },
    /// Withdraw a prepared run: nothing comes of it.
    Withdraw {
        /// The run.
        run: RunNo,
        /// By whom.
        by: OperatorId,
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
    /// Read the run that is under way.
    Running,
    /// Read runs, newest first.
    List {
        /// Only those before this one.
        before: Option<RunNo>,
        /// At most so many.
        limit: usize,
    },
}

/// What the issuance desk answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum IssuanceReply {
    /// A run, with whether this very act had been done before.
    Run(Box<Run>, bool),
    /// Runs, newest first.
    Runs(Vec<Run>),
    /// There is none.
    None,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunStatus {
    /// Waits for its approval.
    Prepared,
    /// Was approved, and is under way.
    Running,
    /// Has passed all accounts.
    Finished,
    /// Was withdrawn; nothing came of it.
    Withdrawn,
}

/// An act upon a run: when, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: OperatorId,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its number.
    pub no: RunNo,
    /// The operator's serial.
    pub serial: Serial,
    /// Which records, as it was prepared.
    pub prepared_scope: Scope,
    /// Which records, as it was approved; until then as it was prepared.
    pub scope: Scope,
    /// Who prepared it.
    pub prepared: Signed,
    /// Who approved it; it began then.
    pub approved: Option<Signed>,
    /// Who withdrew it.
    pub withdrawn: Option<Signed>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The last account passed.
    pub cursor: Option<AccountId>,
    /// Accounts passed.
    pub accounts: u64,
}

impl Run {
    /// Where it stands.
    pub fn status(&self) -> RunStatus {
        match (&self.approved, self.finished_at, &self.withdrawn) {
            (Some(_), Some(_), _) => RunStatus::Finished,
            (Some(_), None, _) => RunStatus::Running,
            (None, _, Some(_)) => RunStatus::Withdrawn,
            (None, _, None) => RunStatus::Prepared,
        }
    }
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
    /// A run was prepared.
    Prepared {
        /// Its number.
        run: RunNo,
        /// The operator's serial.
        serial: Serial,
        /// Which records.
        scope: Scope,
        /// By whom.
        by: OperatorId,
    },
    /// A run was approved, and began.
    Started {
        /// Its number.
        run: RunNo,
        /// Which records.
        scope: Scope,
        /// By whom.
        by: OperatorId,
    },
    /// A prepared run was withdrawn.
    Withdrawn {
        /// Its number.
        run: RunNo,
        /// By whom.
        by: OperatorId,
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
