//! The operators' messages: who may operate the platform, and the audit log of what they did. A key
//! is never in here, only its SM3.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{OperatorId, Timestamp};

/// Longest description of an act in the audit log, in bytes.
pub const ACT_MAX: usize = 120;
/// Longest name of what an act was about, in bytes.
pub const ABOUT_MAX: usize = 120;

/// What an operator is trusted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperatorRole {
    /// Reads everything but personal data.
    Viewer,
    /// Declares, prepares issuance, looks accounts up.
    Operator,
    /// Approves issuance, adopts policies and methodologies, closes accounts.
    Approver,
    /// All of it, and other operators.
    Administrator,
}

/// What an interface demands of whoever calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Duty {
    /// Reading.
    View,
    /// Declaring and preparing.
    Operate,
    /// Letting what others prepared take effect.
    Approve,
    /// Both in one act, and other operators.
    Administer,
}

impl OperatorRole {
    /// Whether a role may do what an interface demands. Preparing and approving are apart: nobody
    /// but an administrator has both.
    pub fn may(self, duty: Duty) -> bool {
        match self {
            Self::Administrator => true,
            Self::Viewer => duty == Duty::View,
            Self::Operator => matches!(duty, Duty::View | Duty::Operate),
            Self::Approver => matches!(duty, Duty::View | Duty::Approve),
        }
    }
}

/// An operator's standing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// Who.
    pub id: OperatorId,
    /// What they are trusted with.
    pub role: OperatorRole,
    /// SM3 of the key they show.
    #[serde(with = "serde_bytes")]
    pub key_sm3: [u8; 32],
    /// When the key was given.
    pub key_since: Timestamp,
    /// Whether they may not operate any more.
    pub revoked: bool,
}

/// By what a caller of `/admin/v1` is known.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Shown {
    /// The key file of the platform, which the door compares: the first administrator.
    KeyFile,
    /// A key with this SM3.
    Key(#[serde(with = "serde_bytes")] [u8; 32]),
}

/// What may be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum OperatorsCommand {
    /// A caller is at the door. Admits or refuses; an act, and every refusal of somebody known, is
    /// in the audit log before the answer.
    Admit {
        /// By what the caller is known.
        shown: Shown,
        /// What the interface demands.
        duty: Duty,
        /// Whether it is an act (anything but reading).
        act: bool,
        /// Method and path's pattern.
        what: String,
        /// The request's id.
        request: String,
    },
    /// An act that was admitted has ended.
    Conclude {
        /// Which.
        act: ActRef,
        /// What it was about, as far as the door found out.
        about: Option<String>,
        /// The code of the answer's envelope.
        outcome: String,
    },
    /// Enrols an operator; the same again is a replay.
    Enrol {
        /// Who.
        id: OperatorId,
        /// What they are trusted with.
        role: OperatorRole,
        /// SM3 of their key.
        #[serde(with = "serde_bytes")]
        key_sm3: [u8; 32],
    },
    /// Gives an operator another key; the old one ends at once.
    Rotate {
        /// Who.
        id: OperatorId,
        /// SM3 of the new key.
        #[serde(with = "serde_bytes")]
        key_sm3: [u8; 32],
    },
    /// Ends an operator. An id is never given again.
    Revoke {
        /// Who.
        id: OperatorId,
    },
    /// Read.
    Look,
}

/// An act in the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ActRef {
    /// When it was admitted.
    pub at: Timestamp,
    /// Its number, counted from 1.
    pub number: u64,
}

/// What is answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum OperatorsReply {
    /// The caller may go on.
    Admitted {
        /// Who it is.
        operator: OperatorId,
        /// The act to be concluded, when it is one.
        act: Option<ActRef>,
    },
    /// The caller is known, and may not do this.
    Refused,
    /// Done now, or before.
    Done {
        /// Whether it had been done before.
        replay: bool,
    },
    /// All operators, by id.
    View(Vec<Operator>),
}

/// What can have happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperatorsEvent {
    /// An operator was enrolled.
    Enrolled {
        /// Who.
        id: OperatorId,
        /// What they are trusted with.
        role: OperatorRole,
        /// SM3 of their key.
        #[serde(with = "serde_bytes")]
        key_sm3: [u8; 32],
    },
    /// An operator has another key.
    Rotated {
        /// Who.
        id: OperatorId,
        /// SM3 of the new key.
        #[serde(with = "serde_bytes")]
        key_sm3: [u8; 32],
    },
    /// An operator may not operate any more.
    Revoked {
        /// Who.
        id: OperatorId,
    },
    /// An act began, or was refused at once (then it has an outcome).
    Acted {
        /// Its number.
        number: u64,
        /// Who.
        operator: OperatorId,
        /// Method and path's pattern.
        what: String,
        /// The request's id.
        request: String,
        /// The code of the refusal; none where the act was admitted.
        refused: Option<String>,
    },
    /// An act has ended. One without this ended with the process: its outcome is in the journal,
    /// if there is one.
    Concluded {
        /// Which.
        act: ActRef,
        /// What it was about.
        about: Option<String>,
        /// The code of its answer.
        outcome: String,
    },
}
