//! 02.Z404 账单推送: the push of new entries of the bill in points, as 02.Z403 shows them. Owed from
//! the time on at which its address is first set, while the citizen is linked to the mall.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::m403::PointsLine;
use crate::{Ccid, PartnerUid, Timestamp};

/// The body of the push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PointsBillPush {
    /// `"Z404"`.
    #[schema(max_length = 8)]
    pub kind: String,
    /// What was booked, oldest first.
    #[schema(min_items = 1, max_items = 500)]
    pub items: Vec<PointsBillItem>,
}

/// What one event booked for one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PointsBillItem {
    /// The same on every try: take each once.
    #[schema(max_length = 32)]
    pub event_id: String,
    /// Counts from 1 per pseudonym, without gaps over all pushes of this kind.
    pub sequence: u32,
    /// The pseudonym.
    pub ccid: Ccid,
    /// Your own id of the citizen, when known.
    pub partner_uid: Option<PartnerUid>,
    /// The entries, in the order they were booked. Orders are named only where they are yours.
    #[schema(max_items = 1000)]
    pub entries: Vec<PointsLine>,
    /// When they were booked.
    pub time: Timestamp,
}
