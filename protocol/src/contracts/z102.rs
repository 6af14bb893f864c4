//! Z102 获取签名: signs the entry of a citizen to one of our pages; in the sandbox it also explains
//! a wrong signature.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::seal::SealedField;
use crate::{Ccid, PartnerUid, SceneCode};

/// Which of our pages is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum EntryPage {
    /// 01.Z202: light scenes.
    Light,
    /// 02.Z202: consent to a mall.
    Mall,
    /// The carbon zone (碳普惠专区).
    Zone,
}

/// A citizen about to enter. The person is named by `ccid` or by real-name data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EntryRequest {
    /// The page.
    pub page: EntryPage,
    /// Scenes to light, for `light`; at most 20.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub scenes: Vec<SceneCode>,
    /// The pseudonym that 4.4.5 answered.
    #[serde(default)]
    pub ccid: Option<Ccid>,
    /// Name, sealed.
    #[serde(default)]
    pub name: Option<SealedField>,
    /// ID number, sealed.
    #[serde(default)]
    pub id_no: Option<SealedField>,
    /// Phone, sealed; may be absent.
    #[serde(default)]
    pub phone: Option<SealedField>,
    /// Your own id of the citizen, when C101 is not to be asked.
    #[serde(default)]
    pub partner_uid: Option<PartnerUid>,
    /// That you have verified the citizen's real name (实名认证). Without it nobody enters.
    pub real_name_verified: bool,
    /// Where the citizen returns to; its host is one you have registered.
    #[serde(default)]
    #[schema(max_length = 512)]
    pub return_url: Option<String>,
    /// Comes back with the result, unchanged.
    #[serde(default)]
    #[schema(max_length = 128)]
    pub state: Option<String>,
}

/// A link for one citizen and one use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// To be opened in the citizen's browser.
    #[schema(max_length = 2048)]
    pub url: String,
    /// Seconds it is valid.
    pub expires_in_seconds: u32,
}
