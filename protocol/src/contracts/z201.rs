//! Z201 获取许可协议: the agreements that a citizen must be shown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AgreementId, Day, SceneCode};

/// Which agreements: of the named scenes, or of everything that concerns the application.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgreementsRequest {
    /// Scenes; all of the application's when empty. At most 20.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub scenes: Vec<SceneCode>,
}

/// The agreements as they hold today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Agreements {
    /// In the order in which they are to be shown.
    #[schema(max_items = 200)]
    pub agreements: Vec<AgreementText>,
}

/// One agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgreementText {
    /// Its id, the same over all versions.
    pub id: AgreementId,
    /// Its title.
    #[schema(max_length = 128)]
    pub title: String,
    /// Its version.
    pub version: u32,
    /// From when it holds.
    pub effective: Day,
    /// SM3 of the text, hexadecimal.
    #[schema(min_length = 64, max_length = 64)]
    pub sm3: String,
    /// Language, as a BCP 47 tag.
    #[schema(max_length = 35)]
    pub language: String,
    /// The text, HTML.
    #[schema(max_length = 65536)]
    pub text: String,
}
