//! 01.Z504 个人碳账户开通场景信息查询: which of the calling partner's scenes a person has lit.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Ccid, SceneCode, Timestamp};

/// Whose scenes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LitScenesRequest {
    /// The pseudonym.
    pub ccid: Ccid,
}

/// The application's scenes that are lit now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LitScenes {
    /// The pseudonym.
    pub ccid: Ccid,
    /// The scenes.
    #[schema(max_items = 200)]
    pub scenes: Vec<LitScene>,
}

/// A lit scene.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LitScene {
    /// Its code.
    pub scene: SceneCode,
    /// Its name.
    #[schema(max_length = 64)]
    pub name: String,
    /// Since when.
    pub since: Timestamp,
}
