//! Z203 账户授权/取消的更新: the push about scenes lit and revoked (01), and about a mall whose link
//! was taken back (02). Up to 500 items, at least once, in order of each account.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::registry::Agreement;
use crate::{AgreementId, Ccid, PartnerUid, SceneCode, Timestamp};

/// The body of the push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationPush {
    /// `"Z203"`.
    #[schema(max_length = 8)]
    pub kind: String,
    /// What happened, oldest first.
    #[schema(min_items = 1, max_items = 500)]
    pub items: Vec<AuthorizationItem>,
}

/// One change of a consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationItem {
    /// The same on every try: take each once.
    #[schema(max_length = 32)]
    pub event_id: String,
    /// Counts from 1 per pseudonym, without gaps over all pushes of the application.
    pub sequence: u32,
    /// The pseudonym.
    pub ccid: Ccid,
    /// Your own id of the citizen, when known.
    pub partner_uid: Option<PartnerUid>,
    /// The scene; absent where it concerns a mall.
    pub scene: Option<SceneCode>,
    /// What it is now.
    pub status: AuthorizationStatus,
    /// Agreements that the citizen consented to.
    #[schema(max_items = 20)]
    pub agreements: Vec<AgreementRef>,
    /// When it happened.
    pub time: Timestamp,
}

/// A consent's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AuthorizationStatus {
    /// Lit (点亮), or linked.
    Lit,
    /// Revoked (取消授权).
    Revoked,
}

/// A version of an agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgreementRef {
    /// Its id.
    pub id: AgreementId,
    /// Its version.
    pub version: u32,
    /// SM3 of the text that was shown, hexadecimal.
    #[schema(min_length = 64, max_length = 64)]
    pub sm3: String,
    /// When the citizen consented.
    pub time: Timestamp,
}

impl AgreementRef {
    /// A consent to a text, as contracts show it.
    pub fn to(text: &Agreement, time: Timestamp) -> Self {
        let sm3 = hex::encode(text.sm3);
        Self { id: text.id.clone(), version: text.version, sm3, time }
    }
}
