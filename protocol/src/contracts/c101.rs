//! C101 / Q101 账号匹配: the platform asks a partner for its user behind real-name data. Provided by
//! the partner at `{base}/C101` (scene partners) or `{base}/Q101` (malls).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::PartnerUid;
use crate::seal::SealedField;

/// Real-name data, sealed under the application's data key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MatchRequest {
    /// Name, bound to `appId|name`.
    pub name: SealedField,
    /// ID number, bound to `appId|idNo`.
    pub id_no: SealedField,
    /// Phone, bound to `appId|phone`; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<SealedField>,
}

/// The user, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MatchReply {
    /// Your id of the user; `null` where there is none under this real name.
    pub partner_uid: Option<PartnerUid>,
}
