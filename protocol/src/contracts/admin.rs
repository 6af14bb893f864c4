//! The operator's messages under `/admin/v1`: declarations, looking at pushes and settlements.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::methodology::Methodology;
use crate::registry::{AgreementScope, AppRole, SceneKind};
use crate::sm2::PublicKey;
use crate::{AgreementId, AppId, CreditCode, Day, MethodologyId, PartnerId, Points, SceneCode};

use super::z601::Address;

/// Registers a partner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PartnerRequest {
    /// Its id.
    pub id: PartnerId,
    /// Its name.
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
    /// Its unified social credit code: with it the partner's DID as a legal person is registered on
    /// the identity chain (3.2), under this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit_code: Option<CreditCode>,
}

/// A host, with its port where that is not the usual one: `app.example.com:8443`.
#[derive(ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 255)]
pub struct Host(pub String);

/// Registers an application.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppRequest {
    /// Its id.
    pub app_id: AppId,
    /// Whose it is.
    pub partner_id: PartnerId,
    /// What it is.
    pub role: AppRole,
    /// Its name as citizens know it.
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
    /// Its code on the identity chain.
    #[schema(min_length = 1, max_length = 64)]
    pub chain_code: String,
    /// Where C101 / Q101 and 02.Z203 are called.
    #[schema(max_length = 512)]
    pub base_url: String,
    /// Hosts (with port) that an H5 may return to.
    #[serde(default)]
    #[schema(max_items = 20, value_type = Vec<Host>)]
    pub return_hosts: Vec<String>,
    /// A mall's H5.
    #[serde(default)]
    #[schema(max_length = 512)]
    pub mall_url: Option<String>,
    /// What a citizen without an account there is told.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500)]
    pub no_account_text: Option<String>,
    /// Whether wrong signatures are explained and loopback addresses allowed.
    #[serde(default)]
    pub sandbox: bool,
    /// Signing secret of the HMACs, hexadecimal, 32 bytes. Made where neither it nor `publicKey`
    /// is given; both may be.
    #[serde(default)]
    #[schema(min_length = 64, max_length = 64)]
    pub sign_key: Option<String>,
    /// The partner's public SM2 key, for SM2-SM3; 04‖x‖y, hexadecimal.
    #[serde(default)]
    pub public_key: Option<PublicKey>,
    /// Key of personal-data fields, hexadecimal, 16 bytes; made where it is absent.
    #[serde(default)]
    #[schema(min_length = 32, max_length = 32)]
    pub data_key: Option<String>,
}

impl std::fmt::Debug for AppRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AppRequest({})", self.app_id)
    }
}

/// A registered application; the keys are shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppKeys {
    /// The application.
    pub app_id: AppId,
    /// Signing secret of the HMACs, hexadecimal, 32 bytes; none where the application signs with
    /// SM2 alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 64, max_length = 64)]
    pub sign_key: Option<String>,
    /// The partner's public SM2 key, where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKey>,
    /// Key of personal-data fields, hexadecimal.
    #[schema(min_length = 32, max_length = 32)]
    pub data_key: String,
}

impl std::fmt::Debug for AppKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AppKeys({})", self.app_id)
    }
}

/// Suspends or readmits an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SuspendRequest {
    /// Whether it is suspended.
    pub suspended: bool,
}

/// Declares a scene (场景申报).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SceneRequest {
    /// Its code.
    pub scene: SceneCode,
    /// Its name.
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
    /// What lighting it looks like.
    pub kind: SceneKind,
    /// An https address, for the kinds that lead somewhere: of the mini-program that the sun code
    /// opens, or of the other site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 512)]
    pub link: Option<String>,
    /// The methodology that prices it.
    pub methodology: MethodologyId,
    /// The applications that may submit for it.
    #[schema(max_items = 20)]
    pub app_ids: Vec<AppId>,
    /// First day of its approval.
    pub active_from: Day,
    /// Last day of its approval.
    pub active_to: Day,
}

/// Publishes a version of an agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgreementRequest {
    /// Its id.
    pub id: AgreementId,
    /// Whom it is for.
    pub scope: AgreementScope,
    /// Its title.
    #[schema(min_length = 1, max_length = 128)]
    pub title: String,
    /// Its version.
    pub version: u32,
    /// From when it holds.
    pub effective: Day,
    /// BCP 47 tag.
    #[schema(min_length = 1, max_length = 35)]
    pub language: String,
    /// HTML; shown to citizens as it is.
    #[schema(min_length = 1, max_length = 65536)]
    pub text: String,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Declared {
    /// Whether it had been done before.
    pub replay: bool,
}

/// How pushes to an application go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushesView {
    /// The application.
    pub app_id: AppId,
    /// One per kind.
    #[schema(max_items = 8)]
    pub kinds: Vec<Address>,
}

/// Settlement totals of a mall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettlementView {
    /// The mall's application.
    pub app_id: AppId,
    /// One per day with orders.
    #[schema(max_items = 367)]
    pub days: Vec<SettlementDay>,
    /// Points captured less points refunded, over all days.
    pub net_points: i64,
}

/// One day of a settlement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettlementDay {
    /// The day.
    pub day: Day,
    /// Points captured.
    pub captured_points: Points,
    /// Points refunded.
    pub refunded_points: Points,
    /// Orders captured.
    pub orders: u64,
    /// Refunds.
    pub refunds: u64,
}

/// A partner, as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppView {
    /// The application.
    pub app_id: AppId,
    /// Whose it is.
    pub partner_id: PartnerId,
    /// What it is.
    pub role: AppRole,
    /// Its name.
    #[schema(max_length = 64)]
    pub name: String,
    /// Whether it may call at all.
    pub suspended: bool,
    /// Whether it is a sandbox application.
    pub sandbox: bool,
}

/// Applications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppsView {
    /// All of them.
    #[schema(max_items = 65535)]
    pub applications: Vec<AppView>,
}

/// Scenes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScenesView {
    /// All of them.
    #[schema(max_items = 65535)]
    pub scenes: Vec<SceneRequest>,
}

/// Methodologies (方法学), each as the configuration writes it: what is adopted, and what is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Methodologies {
    /// Every version of every one, in the order of their ids and days; `verified` says whether
    /// somebody has checked its factors against the published document.
    #[schema(max_items = 1000)]
    pub methodologies: Vec<Methodology>,
}
