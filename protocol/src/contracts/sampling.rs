//! Samplings (抽样核查) under `/admin/v1`: records of a period against their raw data (C201), and the
//! quality of an application's data.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::quality::Mismatch;
use crate::{AppId, Day, Serial, Timestamp};

/// Starts a sampling: records of a period are drawn, and the partner is asked for their raw data
/// (C201).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SamplingRequest {
    /// The operator's serial: the same again gets the same answer, and nobody is asked again.
    pub serial: Serial,
    /// Whose records.
    pub app_id: AppId,
    /// First day on which they were received.
    pub from: Day,
    /// Last day on which they were received; 31 days at most.
    pub to: Day,
    /// Records to draw.
    #[schema(minimum = 1, maximum = 500)]
    pub size: u16,
    /// Draws them: the same seed over the same records draws the same ones. Follows from the serial
    /// where it is absent.
    #[serde(default)]
    pub seed: Option<u64>,
}

/// What a sampling found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SamplingView {
    /// The operator's serial.
    pub serial: Serial,
    /// First day on which its records were received.
    pub from: Day,
    /// Last day on which they were received.
    pub to: Day,
    /// What drew them.
    pub seed: u64,
    /// When it was made.
    pub sampled_at: Timestamp,
    /// Accepted records that the period had.
    pub population: u64,
    /// Records drawn.
    pub sampled: u64,
    /// Records whose raw data is what was submitted.
    pub matched: u64,
    /// Records that the partner did not answer for.
    pub unanswered: u64,
    /// Of a thousand records that were answered for, those that do not match, rounded up.
    pub mismatch_permille: u64,
    /// Whether anything does not match, or was not answered for.
    pub flagged: bool,
    /// Each record that does not match.
    #[schema(max_items = 500)]
    pub mismatches: Vec<Mismatch>,
}

/// The quality of an application's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QualityView {
    /// The application.
    pub app_id: AppId,
    /// Samplings so far.
    pub samplings: u64,
    /// Records whose raw data is what was submitted, over all samplings.
    pub matched: u64,
    /// Records that the partner did not answer for.
    pub unanswered: u64,
    /// Records without raw data.
    pub missing: u64,
    /// Records whose raw data is something else.
    pub differing: u64,
    /// Of a thousand records that were answered for, those that do not match, rounded up.
    pub mismatch_permille: u64,
    /// Whether any sampling is flagged.
    pub flagged: bool,
    /// The newest samplings, newest first; none on the list of all applications.
    #[schema(max_items = 50)]
    pub newest: Vec<SamplingView>,
}

/// The quality of all applications' data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QualitiesView {
    /// One for each application of a scene partner.
    #[schema(max_items = 65535)]
    pub applications: Vec<QualityView>,
}
