//! The envelope of every answer: `{code, msg, data, requestId}`, with what an error adds.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Reason;

/// The code of success.
pub const OK: &str = "0";

/// Every answer of every interface.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<T> {
    /// `"0"` for success, else the stable code of the reason.
    #[schema(max_length = 5)]
    pub code: String,
    /// A message for people, in the language asked for.
    #[schema(max_length = 200)]
    pub msg: String,
    /// The answer itself; `null` in an error.
    pub data: Option<T>,
    /// The id of this request, for support.
    #[schema(max_length = 36)]
    pub request_id: String,
    /// In an error: the symbolic reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// In an error: the field at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub field: Option<String>,
    /// In an error: a fact that helps, such as the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 400)]
    pub detail: Option<String>,
    /// In an error: whether the same request may succeed later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
}

impl<T> Envelope<T> {
    /// A success.
    pub fn ok(data: T, request_id: impl Into<String>) -> Self {
        Self {
            code: OK.into(),
            msg: "success".into(),
            data: Some(data),
            request_id: request_id.into(),
            reason: None,
            field: None,
            detail: None,
            retryable: None,
        }
    }
}
