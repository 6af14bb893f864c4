//! 02.Z403 碳积分账单查询: a citizen's points, entry by entry, newest first.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::account::{BillEntry, BillKind};
use crate::{AppNo, OrderNo, Points, RunNo, Timestamp};

pub use super::z502::BillRequest;

/// A page of the bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PointsBill {
    /// The entries, newest first.
    #[schema(max_items = 200)]
    pub entries: Vec<PointsLine>,
    /// Where the next page begins; absent on the last one.
    #[schema(max_length = 200)]
    pub cursor: Option<String>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PointsLine {
    /// When it was booked.
    pub time: Timestamp,
    /// What it was.
    pub kind: BillKind,
    /// The order, where it is one of yours.
    pub order_no: Option<OrderNo>,
    /// The issuance batch that the points came of.
    pub run: Option<RunNo>,
    /// Points.
    pub points: Points,
}

impl PointsLine {
    /// An entry as a mall sees it.
    pub fn of(entry: BillEntry, mall: AppNo) -> Self {
        let BillEntry { at: time, kind, run, points, .. } = entry;
        Self { time, kind, order_no: entry.order.filter(|_| entry.app == mall), run, points }
    }
}
