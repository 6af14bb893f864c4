//! 01.Z301 轨道交通出行距离字典: versioned distances between stations. `ETag` and `If-None-Match`
//! spare a download of what is known.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Label, Metres};

/// One pair, or a page of all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DistancesRequest {
    /// One end of a pair; both or none.
    #[serde(default)]
    pub from: Option<Label>,
    /// The other end.
    #[serde(default)]
    pub to: Option<Label>,
    /// Where the page before ended.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub cursor: Option<String>,
    /// Pairs of a page, at most 200.
    #[serde(default)]
    pub limit: Option<u16>,
}

/// Distances. They hold both ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Distances {
    /// Version of the dictionary.
    pub version: String,
    /// The pairs, in order.
    pub pairs: Vec<Distance>,
    /// Where the next page begins; absent on the last one.
    pub cursor: Option<String>,
}

/// The distance of a pair of stations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Distance {
    /// One station.
    pub from: Label,
    /// The other.
    pub to: Label,
    /// Metres between them by rail.
    pub distance_metres: Metres,
}
