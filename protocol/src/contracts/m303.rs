//! 02.Z303 订单结算: FREEZE, then CONFIRM or CANCEL; or PAY at once; REFUND whole or in part. Each
//! action has its own serial. An answer is definite, refused with a reason, or can be asked again
//! with the same serial.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::account::{OrderAction, OrderStatus};
use crate::{Ccid, OrderNo, Points, Serial, Timestamp};

/// An action on an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrderRequest {
    /// This action's serial.
    pub serial: Serial,
    /// The order.
    pub order_no: OrderNo,
    /// The citizen's pseudonym.
    pub ccid: Ccid,
    /// What to do.
    pub action: OrderAction,
    /// Points to hold, capture or refund. CONFIRM and CANCEL take all that is held: given, it must
    /// be that. REFUND without it gives back all that is left.
    #[serde(default)]
    pub points: Option<Points>,
}

/// The order after the action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderAnswer {
    /// The order.
    pub order_no: OrderNo,
    /// Whether this serial had been answered before; the order is shown as it stands now.
    pub replay: bool,
    /// Where it stands.
    pub status: OrderStatus,
    /// Points held.
    pub held_points: Points,
    /// Points captured in all.
    pub captured_points: Points,
    /// Points refunded in all.
    pub refunded_points: Points,
    /// When the hold lapses.
    pub lapses: Option<Timestamp>,
    /// Points the citizen has left to spend.
    pub available_points: Points,
}
