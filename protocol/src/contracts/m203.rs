//! 02.Z203 账户授权/取消的更新 at first linking: the platform tells a mall the pseudonym of its user, the
//! mall links it with its own user and says so. Only then is the mall opened.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Ccid, PartnerUid};

/// What the platform posts to `{base}/Z203`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkRequest {
    /// The same on every try.
    #[schema(max_length = 96)]
    pub event_id: String,
    /// The citizen's pseudonym towards this mall.
    pub ccid: Ccid,
    /// The mall's user, as Q101 answered.
    pub partner_uid: PartnerUid,
}

/// What the mall answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkReply {
    /// Whether it has linked the pseudonym with its user.
    pub linked: bool,
    /// The user, when linked.
    #[serde(default)]
    pub partner_uid: Option<PartnerUid>,
}
