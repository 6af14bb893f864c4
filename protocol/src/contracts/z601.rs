//! 01.Z601 / 02.Z501 消息接收地址配置: push addresses by kind. An address is verified by a challenge
//! before it is used; https and a public network outside the sandbox.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;
use crate::courier::PushKind;

/// What to do. Without any, the addresses are answered as they stand.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddressRequest {
    /// Sets the address of a kind.
    #[serde(default)]
    pub set: Option<SetAddress>,
    /// Pauses or resumes a kind.
    #[serde(default)]
    pub pause: Option<PauseAddress>,
}

/// An address to be set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetAddress {
    /// The kind.
    pub kind: PushKind,
    /// The address.
    #[schema(max_length = 512)]
    pub url: String,
}

/// A kind to be paused or resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PauseAddress {
    /// The kind.
    pub kind: PushKind,
    /// Whether deliveries stand still.
    pub paused: bool,
}

/// The addresses as they stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Addresses {
    /// One per kind that was ever set.
    #[schema(max_items = 8)]
    pub addresses: Vec<Address>,
}

/// One kind's address, and how its delivery goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// The kind.
    pub kind: PushKind,
    /// The address.
    #[schema(max_length = 512)]
    pub url: Option<String>,
    /// Whether deliveries stand still.
    pub paused: bool,
    /// Events delivered in all.
    pub delivered: u64,
    /// Failed tries of the next push.
    pub attempts: u32,
    /// When it is tried again.
    pub next_at: Option<Timestamp>,
    /// Ranges of events that were given up on.
    pub parked: u32,
}

/// What the platform posts to an address before using it; to be answered with the same body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Challenge {
    /// Random text.
    #[schema(min_length = 48, max_length = 48)]
    pub challenge: String,
}
