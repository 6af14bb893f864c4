//! `GET /api/v1/events`: everything that is pushed to an application, to be pulled: the same events
//! under the same ids, in the order of the platform's journal, whether or not an address is set (of
//! bills: from the time on at which one is, see 01.Z503 and 02.Z404).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::m404::PointsBillItem;
use super::z203::AuthorizationItem;
use super::z305::IssuanceItem;
use super::z503::BillItem;

/// Days that an event can be pulled after it happened. One that was not delivered by then, or given
/// up on, can be pulled for as long as that takes.
pub const KEPT_DAYS: u16 = 7;

/// Which events.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventsRequest {
    /// The cursor of an earlier answer; the oldest events that are kept without it.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub after: Option<String>,
    /// Events of a page, at most 200.
    #[serde(default)]
    pub limit: Option<u16>,
}

/// A page of events, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Events {
    /// The events; none where nothing has happened since.
    #[schema(max_items = 200)]
    pub events: Vec<PulledEvent>,
    /// Where to go on: now, or after a while. Absent only while nothing has ever happened.
    #[schema(max_length = 200)]
    pub cursor: Option<String>,
}

/// One event, as the push of its kind carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", content = "item")]
pub enum PulledEvent {
    /// Of a Z203 push.
    #[serde(rename = "Z203")]
    Authorization(AuthorizationItem),
    /// Of a 01.Z305 push.
    #[serde(rename = "Z305")]
    Issuance(IssuanceItem),
    /// Of a 01.Z503 push.
    #[serde(rename = "Z503")]
    GramsBill(BillItem),
    /// Of a 02.Z404 push.
    #[serde(rename = "Z404")]
    PointsBill(PointsBillItem),
}
