//! 02.Z401 开通场景查询: the names of the scenes that a citizen has lit, told to a mall that the citizen
//! has linked.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Ccid;

/// Whose scenes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SceneNamesRequest {
    /// The pseudonym.
    pub ccid: Ccid,
}

/// Names, and nothing else: neither whose scenes they are, nor since when they are lit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SceneNames {
    /// The pseudonym.
    pub ccid: Ccid,
    /// Names of the scenes that are lit now, each once, in the order of their characters.
    #[schema(max_items = 200, value_type = Vec<SceneName>)]
    pub scenes: Vec<String>,
}

/// The name of a scene, as citizens know it.
#[derive(ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 64)]
pub struct SceneName(pub String);
