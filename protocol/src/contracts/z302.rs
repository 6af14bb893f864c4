//! 01.Z302 减排量计算: what one behaviour is worth, with the terms of the sum.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::behaviour::Behaviour;
use crate::methodology::Term;
use crate::{Grams, MethodologyId, SceneCode};

/// One behaviour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComputeRequest {
    /// The scene.
    pub scene: SceneCode,
    /// What was done.
    pub behaviour: Behaviour,
}

/// Its emission reduction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Computed {
    /// Whole grams, rounded down.
    pub reduction_grams: Grams,
    /// The methodology (方法学).
    pub methodology: MethodologyId,
    /// Version of its data.
    pub methodology_version: u32,
    /// Whether its factors were checked against the published document.
    pub verified: bool,
    /// The terms of the sum.
    #[schema(max_items = 16)]
    pub terms: Vec<Term>,
}
