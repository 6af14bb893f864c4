//! The operator's messages about issuance (签发) under `/admin/v1`: runs are prepared, looked at,
//! approved whole or in part, or withdrawn.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::issuance::RunStatus;
use crate::{AppId, Day, Grams, OperatorId, Points, RunNo, SceneCode, Serial, Timestamp};

/// Prepares an issuance run (签发批次), or prepares and approves it in one act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunRequest {
    /// The operator's serial.
    pub serial: Serial,
    /// Records of behaviour up to this day.
    pub through: Day,
    /// Only these scenes; all when empty.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub scenes: Vec<SceneCode>,
    /// Records that are refused.
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub excluded: Vec<ExcludedRecord>,
}

/// A record that a run refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExcludedRecord {
    /// Whose.
    pub app_id: AppId,
    /// Its serial.
    pub serial: Serial,
}

/// Approves a prepared run, whole or in part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApproveRequest {
    /// Of its scenes only these; all of them when empty. What is left out stays pending.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub scenes: Vec<SceneCode>,
    /// More records that are refused.
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub excluded: Vec<ExcludedRecord>,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunView {
    /// Its number.
    pub run: RunNo,
    /// The operator's serial.
    pub serial: Serial,
    /// Records of behaviour up to this day.
    pub through: Day,
    /// Its scenes; all when empty. Of an approved run those that were approved.
    #[schema(max_items = 100)]
    pub scenes: Vec<SceneCode>,
    /// Records that it refuses.
    pub excluded_records: u64,
    /// Where it stands.
    pub status: RunStatus,
    /// When it was prepared.
    pub prepared_at: Timestamp,
    /// By whom.
    pub prepared_by: OperatorId,
    /// When it was approved, and began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Who approved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<OperatorId>,
    /// Who withdrew it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_by: Option<OperatorId>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Accounts passed.
    pub accounts: u64,
    /// Records issued.
    pub records: u64,
    /// Records refused.
    pub refused: u64,
    /// Grams issued.
    pub reduction_grams: Grams,
    /// Points credited.
    pub points: Points,
}

/// Runs, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunsView {
    /// A page of them.
    #[schema(max_items = 200)]
    pub runs: Vec<RunView>,
    /// Where the next page begins; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub cursor: Option<String>,
}

/// What a run would issue if it began now. Records that come in meanwhile come in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunPreview {
    /// The run.
    pub run: RunNo,
    /// Accounts with a record of it.
    pub accounts: u64,
    /// Records that would be issued.
    pub records: u64,
    /// Their grams.
    pub reduction_grams: Grams,
    /// Records that would be refused.
    pub excluded_records: u64,
    /// By application and scene.
    #[schema(max_items = 65535)]
    pub lines: Vec<PreviewLine>,
}

/// What a run would issue of one application's scene.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviewLine {
    /// The application that submitted.
    pub app_id: AppId,
    /// The scene.
    pub scene: SceneCode,
    /// Records that would be issued.
    pub records: u64,
    /// Their grams.
    pub reduction_grams: Grams,
    /// Records that would be refused.
    pub excluded_records: u64,
}
