//! A signed call that does nothing, for measuring what the door itself costs.

use carbon_protocol::envelope::Envelope;
use serde::Serialize;
use utoipa::ToSchema;

use super::exchange::{Answer, Data};
use super::ladder::{Anyone, Raw};

/// What came in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// Bytes of the body.
    bytes: u64,
}

/// Answers the length of the body after the whole ladder.
#[utoipa::path(
    post, path = "/api/v1/noop", operation_id = "noop", tag = "platform",
    responses((status = 200, body = Envelope<Measured>)),
)]
pub async fn noop(call: Raw<Anyone>) -> Answer<Measured> {
    Ok(Data(Measured { bytes: call.bytes as u64 }))
}
