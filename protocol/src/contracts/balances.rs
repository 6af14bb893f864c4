//! The operator's trial balance under `/admin/v1`: the books of all accounts together.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// The books of all accounts together, at one position of the journal. The balances of each book
/// sum to zero (INV-01); the source of a book is as negative as all that ever came into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrialBalanceView {
    /// Everything in the journal up to this sequence is in it, and nothing behind.
    pub position: u64,
    /// When it was drawn up.
    pub time: Timestamp,
    /// Accounts there were, those included that were closed.
    pub accounts: u64,
    /// The grams book, in grams CO2e.
    #[schema(max_items = 16)]
    pub grams: Vec<PlaceBalance>,
    /// The points book, in points.
    #[schema(max_items = 16)]
    pub points: Vec<PlaceBalance>,
    /// Whether both books sum to zero.
    pub balanced: bool,
}

/// The balance of one place of a book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceBalance {
    /// The place: SOURCE, PENDING, CREDITED, … of grams; SOURCE, AVAILABLE, HELD, … of points.
    #[schema(max_length = 16)]
    pub place: String,
    /// What all accounts have there.
    pub balance: i64,
}
