//! 02.Z405 根据 authCode 获取用户信息: who has just entered the mall. Single use, 60 seconds, bound to
//! the application.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Ccid, PartnerUid};

/// The code that came with the citizen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VisitorRequest {
    /// The `authCode` parameter of the mall's address.
    #[schema(min_length = 1, max_length = 128)]
    pub auth_code: String,
}

/// The citizen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Visitor {
    /// The pseudonym.
    pub ccid: Ccid,
    /// The mall's own user.
    pub partner_uid: Option<PartnerUid>,
    /// Name, masked: 张*.
    #[schema(max_length = 64)]
    pub masked_name: String,
    /// Phone, masked: 138****1234; absent where it is not known.
    #[schema(max_length = 32)]
    pub masked_phone: Option<String>,
}
