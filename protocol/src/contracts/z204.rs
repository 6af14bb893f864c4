//! Z204 账号授权信息查询: the consents of a pseudonym, with history. The same for both kinds of
//! partners; a mall sees its link, a scene partner its scenes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::z203::{AgreementRef, AuthorizationStatus};
use crate::{Ccid, SceneCode, Timestamp};

/// Whose consents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthorizationsRequest {
    /// The pseudonym.
    pub ccid: Ccid,
}

/// The consents to the calling application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Authorizations {
    /// The pseudonym.
    pub ccid: Ccid,
    /// One per scene (01), or one for the mall (02).
    #[schema(max_items = 200)]
    pub authorizations: Vec<Authorization>,
}

/// The consent to one scene or mall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Authorization {
    /// The scene; absent for a mall.
    pub scene: Option<SceneCode>,
    /// What it is now.
    pub status: AuthorizationStatus,
    /// All spans of consent, oldest first.
    #[schema(max_items = 1000)]
    pub periods: Vec<Period>,
}

/// A span of consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Period {
    /// From.
    pub from: Timestamp,
    /// To; absent while it lasts.
    pub to: Option<Timestamp>,
    /// What was agreed to.
    #[schema(max_items = 20)]
    pub agreements: Vec<AgreementRef>,
}
