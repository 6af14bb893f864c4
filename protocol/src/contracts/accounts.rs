//! The operator's messages about one citizen's account under `/admin/v1`: looking it up and closing
//! it. Real-name data comes in a body, never in an address, and goes out masked.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AppId, Ccid, Day, Grams, Points, SceneCode, Timestamp};

/// Whose account: by ID number, or by an application's pseudonym.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccountRequest {
    /// The citizen's ID number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 32)]
    pub id_no: Option<String>,
    /// The application that knows the citizen by `ccid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<AppId>,
    /// The application's pseudonym of the citizen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ccid: Option<Ccid>,
}

impl std::fmt::Debug for AccountRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccountRequest(..)")
    }
}

/// An account, with real-name data masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountView {
    /// By what the audit log calls it: a shortened keyed hash.
    #[schema(max_length = 20)]
    pub account: String,
    /// Where it stands.
    pub status: AccountStatus,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// The name, masked: 张*. Absent once it was erased, as the next two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub masked_name: Option<String>,
    /// The ID number, masked: 310***********0016.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32)]
    pub masked_id_no: Option<String>,
    /// The phone, masked: 138****1234.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32)]
    pub masked_phone: Option<String>,
    /// Scenes that are lit, each with the application it was lit of.
    #[schema(max_items = 65535)]
    pub lit_scenes: Vec<AccountScene>,
    /// Malls whose link stands.
    #[schema(max_items = 65535)]
    pub linked_malls: Vec<AppId>,
    /// Grams CO2e that wait for issuance.
    pub pending_grams: Grams,
    /// Grams CO2e issued.
    pub issued_grams: Grams,
    /// Points that can be spent.
    pub available_points: Points,
    /// Points held by orders.
    pub held_points: Points,
    /// Points that malls captured, less refunds.
    pub redeemed_points: Points,
    /// Points that ended unspent.
    pub expired_points: Points,
    /// Points that were taken back, or ended with the account.
    pub voided_points: Points,
    /// The last day of the lot that ends first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_expiry: Option<Day>,
}

/// Where an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AccountStatus {
    /// Open.
    Open,
    /// Closed; the person's data key is being erased.
    Closed,
    /// Closed, and the person erased.
    Erased,
}

/// A scene that is lit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountScene {
    /// The application it was lit of.
    pub app_id: AppId,
    /// The scene.
    pub scene: SceneCode,
}

/// An account that was closed (销户).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountClosed {
    /// Whether it had been closed before.
    pub replay: bool,
    /// The account as it is now.
    pub account: AccountView,
}
