//! 02.Z402 积分信息查询: points that a citizen can spend, that are held, that expire soon.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Ccid, Day, Points};

/// Whose points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PointsRequest {
    /// The pseudonym.
    pub ccid: Ccid,
}

/// Points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PointsAnswer {
    /// The pseudonym.
    pub ccid: Ccid,
    /// Points that can be spent.
    pub available_points: Points,
    /// Points held by open orders.
    pub held_points: Points,
    /// Points that were spent and whose reductions were corrected or voided since: recovered from
    /// later credits first. While there are any, none are available.
    pub owed_points: Points,
    /// What can be spent, by lot, soonest expiry first.
    #[schema(max_items = 1000)]
    pub lots: Vec<Lot>,
}

/// Points that end together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lot {
    /// Their last day.
    pub expires: Day,
    /// How many.
    pub points: Points,
}
