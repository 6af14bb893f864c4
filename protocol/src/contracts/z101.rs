//! Z101 获取登录令牌: a signed request for a bearer token.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The request: everything is in the headers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenRequest {}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// To be sent as `Authorization: Bearer …` with every other call.
    #[schema(max_length = 512)]
    pub token: String,
    /// Seconds it is valid. The one before stays valid five minutes more.
    pub expires_in_seconds: u32,
}
