//! The administrator's messages under `/admin/v1`: operators, their keys, the audit log.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::operators::OperatorRole;
use crate::{OperatorId, Timestamp};

/// Enrols an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnrolRequest {
    /// Their name in the audit log. It is never given to anybody else, even after they have gone.
    pub id: OperatorId,
    /// What they are trusted with: a viewer reads, an operator declares and prepares, an approver
    /// lets take effect, an administrator does all of it.
    pub role: OperatorRole,
}

/// An operator's key; shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperatorKey {
    /// The operator.
    pub id: OperatorId,
    /// What they show: `Authorization: Bearer <key>`. The platform keeps its SM3 only.
    #[schema(min_length = 64, max_length = 64)]
    pub key: String,
}

impl std::fmt::Debug for OperatorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OperatorKey({})", self.id)
    }
}

/// Nothing to say beside what the path says: `{}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoFields {}

/// Operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperatorsView {
    /// All that were ever enrolled, by id. The holder of the platform's key file is not among
    /// them: the audit log calls that one `root`.
    #[schema(max_items = 10000)]
    pub operators: Vec<OperatorView>,
}

/// An operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperatorView {
    /// Their name in the audit log.
    pub id: OperatorId,
    /// What they are trusted with.
    pub role: OperatorRole,
    /// When they were given the key they have.
    pub key_since: Timestamp,
    /// Whether they may not operate any more.
    pub revoked: bool,
}

/// A page of the audit log, oldest act first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditPage {
    /// Acts, and refusals of operators who may not.
    #[schema(max_items = 200)]
    pub acts: Vec<AuditAct>,
    /// Where the next page begins; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub cursor: Option<String>,
}

/// An act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditAct {
    /// Its number, counted from 1 without gaps.
    pub number: u64,
    /// When it began.
    pub time: Timestamp,
    /// Who; `root` is the holder of the platform's key file.
    pub operator: OperatorId,
    /// What: method and path's pattern.
    #[schema(max_length = 120)]
    pub act: String,
    /// What it was about, such as an application's id. Never a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 120)]
    pub about: Option<String>,
    /// The request's id, as its answer had it.
    #[schema(max_length = 64)]
    pub request_id: String,
    /// The code of its answer, `0` for success. Absent while it is under way, and where the process
    /// ended before it did: what became of it then is in the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 5)]
    pub outcome: Option<String>,
}
