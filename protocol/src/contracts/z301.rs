//! 01.Z301 轨道交通出行距离字典: versioned distances between stations: a pair, a page, or all.
//! `ETag` and `If-None-Match` spare a download of what is known.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Day, Label, Metres};

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
    #[schema(minimum = 1, maximum = 200)]
    pub limit: Option<u16>,
    /// Whether all pairs are wanted at once, as text in `csv`. Ask for it compressed
    /// (`Accept-Encoding: gzip`).
    #[serde(default)]
    pub all: Option<bool>,
    /// The day of behaviour that the dictionary is wanted for; today where it is absent.
    #[serde(default)]
    pub day: Option<Day>,
}

/// Distances. They hold both ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Distances {
    /// Version of the dictionary: a digest of its content.
    #[schema(max_length = 16)]
    pub version: String,
    /// First day of behaviour that it measures.
    pub effective: Day,
    /// The pairs, in order; none where all are told in `csv`.
    #[schema(max_items = 200)]
    pub pairs: Vec<Distance>,
    /// All pairs as CSV with the columns `station_a,station_b,metres`, where `all` was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 268435456, example = "station_a,station_b,metres\nE01,E02,1300\n")]
    pub csv: Option<String>,
    /// Where the next page begins; absent on the last one.
    #[schema(max_length = 200)]
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
