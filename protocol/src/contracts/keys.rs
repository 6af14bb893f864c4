//! Keys: the platform's public one, which anybody may read, and the operator's messages that give
//! an application a new key and retire an old one.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::sm2::PublicKey;
use crate::{AppId, Timestamp};

/// What the platform signs with where the type is SM2-SM3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlatformKeys {
    /// Public keys: a signature by any of them is the platform's.
    #[schema(max_items = 2)]
    pub keys: Vec<PublicKey>,
    /// The signer's id that goes into the digest (Z of GB/T 32918.2), of both sides.
    #[schema(example = "1234567812345678", max_length = 16)]
    pub signer_id: String,
}

/// What a key of an application is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum KeyKind {
    /// A secret of the HMACs, 32 bytes.
    Secret,
    /// The partner's public SM2 key.
    Sm2,
    /// A key of personal-data fields (SM4-GCM), 16 bytes.
    Data,
}

/// Gives an application one more key. Two of a purpose (signatures; personal data) are valid at
/// once, not more. Secrets and SM2 keys are both for signatures: an application changes from one to
/// the other in the same way.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyRequest {
    /// What it is.
    pub kind: KeyKind,
    /// The key itself, for `secret` (32 bytes) and `data` (16 bytes), hexadecimal; made where it is
    /// absent.
    #[serde(default)]
    #[schema(min_length = 32, max_length = 64)]
    pub key: Option<String>,
    /// The public key, for `sm2`.
    #[serde(default)]
    pub public_key: Option<PublicKey>,
    /// From when it is valid; at once where it is absent. The newest valid key signs pushes: a time
    /// to come leaves the partner room to have it in place.
    #[serde(default)]
    pub valid_from: Option<Timestamp>,
}

impl std::fmt::Debug for KeyRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyRequest({:?})", self.kind)
    }
}

/// A key that was added.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyAdded {
    /// Its number among the application's keys.
    #[schema(minimum = 1)]
    pub key_no: u32,
    /// The key, hexadecimal, for `secret` and `data`; shown this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 32, max_length = 64)]
    pub key: Option<String>,
    /// Whether the application had this very key already.
    pub replay: bool,
}

impl std::fmt::Debug for KeyAdded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyAdded({})", self.key_no)
    }
}

/// Ends a key's validity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetireRequest {
    /// From when it is valid no more; at once where it is absent.
    #[serde(default)]
    pub valid_until: Option<Timestamp>,
}

/// A key, as listed: never the key itself, but for a public one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyView {
    /// Its number among the application's keys.
    #[schema(minimum = 1)]
    pub key_no: u32,
    /// What it is.
    pub kind: KeyKind,
    /// The public key, for `sm2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKey>,
    /// From when it is valid.
    pub valid_from: Timestamp,
    /// From when it is valid no more, if that was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
}

/// Keys of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeysView {
    /// The application.
    pub app_id: AppId,
    /// Its keys by number. Those that ended before the newest was added are forgotten.
    #[schema(max_items = 16)]
    pub keys: Vec<KeyView>,
}
