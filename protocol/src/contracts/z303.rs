//! 01.Z303 减排量批量计算: up to 500 behaviours, a verdict each.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::z302::{ComputeRequest, Computed};
use crate::Reason;

/// Most behaviours of a request.
pub const ROWS: usize = 500;

/// Behaviours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComputeBatchRequest {
    /// 1 to 500 of them.
    #[schema(min_items = 1, max_items = 500)]
    pub rows: Vec<ComputeRequest>,
}

/// The verdicts, in the order of the rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComputedBatch {
    /// One per row.
    #[schema(max_items = 500)]
    pub rows: Vec<ComputedRow>,
}

/// What came of one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComputedRow {
    /// The reduction, when there is one.
    pub computed: Option<Computed>,
    /// Why there is none.
    pub reason: Option<Reason>,
}
