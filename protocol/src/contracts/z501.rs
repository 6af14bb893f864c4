//! 01.Z501 碳减排量账户查询: a pseudonym's totals, of the calling application's records.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Ccid, Grams, Month, SceneCode};

/// Whose totals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TotalsRequest {
    /// The pseudonym.
    pub ccid: Ccid,
}

/// Totals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// The pseudonym.
    pub ccid: Ccid,
    /// Grams submitted and not yet issued.
    pub pending_grams: Grams,
    /// Grams issued.
    pub issued_grams: Grams,
    /// Grams taken back by corrections and voids.
    pub voided_grams: Grams,
    /// By scene and month of behaviour.
    #[schema(max_items = 10000)]
    pub by_scene: Vec<SceneTotal>,
}

/// Totals of a scene in a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SceneTotal {
    /// The scene.
    pub scene: SceneCode,
    /// The month.
    pub month: Month,
    /// Grams submitted and not yet issued.
    pub pending_grams: Grams,
    /// Grams issued.
    pub issued_grams: Grams,
    /// Grams taken back by corrections and voids.
    pub voided_grams: Grams,
    /// Records that count.
    pub records: u32,
}
