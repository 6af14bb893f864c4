//! The push console (推送控制台): an application's own pushes, event by event: which ones wait, were
//! delivered, were given up on; and replaying them. The operator has the same of every application.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::feed::PulledEvent;
use crate::courier::PushKind;
use crate::{AppId, Ccid, Timestamp};

/// Where an event is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PushStatus {
    /// Its turn has not come: an earlier push is under way, there is no address, or it is paused.
    Waiting,
    /// A try has failed; the next one is at `nextAt`.
    Retrying,
    /// It was answered with 2xx.
    Delivered,
    /// All tries failed.
    Parked,
    /// A replay of it was asked for.
    Replaying,
}

/// Which pushes; all that are kept without any filter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PushesRequest {
    /// Of the operator only: whose pushes.
    #[serde(default)]
    pub app_id: Option<AppId>,
    /// Of this kind.
    #[serde(default)]
    pub kind: Option<PushKind>,
    /// With this status.
    #[serde(default)]
    pub status: Option<PushStatus>,
    /// Events that happened at or after this time…
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// … and before this one.
    #[serde(default)]
    pub to: Option<Timestamp>,
    /// This one event, with its content.
    #[serde(default)]
    #[schema(max_length = 64)]
    pub event_id: Option<String>,
    /// Where the page before ended.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub cursor: Option<String>,
    /// Events of a page, at most 200.
    #[serde(default)]
    pub limit: Option<u16>,
}

/// A page of pushes, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pushes {
    /// The events. A page of a filter may have fewer than there are, or none, and go on.
    #[schema(max_items = 200)]
    pub pushes: Vec<Push>,
    /// Where the next page begins; absent on the last one.
    #[schema(max_length = 200)]
    pub cursor: Option<String>,
}

/// One event on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Push {
    /// The event's id, the same on every try.
    #[schema(max_length = 32)]
    pub event_id: String,
    /// Its kind.
    pub kind: PushKind,
    /// Its number among the application's events about the pseudonym.
    pub sequence: u32,
    /// The pseudonym.
    pub ccid: Ccid,
    /// When it happened.
    pub time: Timestamp,
    /// Where it is.
    pub status: PushStatus,
    /// Failed tries of the push that carries it, while it is retried.
    pub attempts: u32,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
    /// Its content, where one event was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<PulledEvent>,
}

/// What to send again: one event, or what happened in a span of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplayRequest {
    /// Of the operator only: whose pushes.
    #[serde(default)]
    pub app_id: Option<AppId>,
    /// The kind.
    pub kind: PushKind,
    /// This event…
    #[serde(default)]
    #[schema(max_length = 64)]
    pub event_id: Option<String>,
    /// … or events that happened at or after this time…
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// … and before this one.
    #[serde(default)]
    pub to: Option<Timestamp>,
}

/// What will be sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    /// The kind.
    pub kind: PushKind,
    /// Events delivered or parked before that are sent again, under the same ids.
    pub events: u32,
}
