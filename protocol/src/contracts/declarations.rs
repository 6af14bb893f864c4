//! What operators see of what was declared under `/admin/v1`: partners, agreements, policies.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::policy::Policy;
use crate::registry::AgreementScope;
use crate::{AgreementId, AppId, Day, PartnerId};

/// Amends a scene: what is not said stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AmendSceneRequest {
    /// Another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 64)]
    pub name: Option<String>,
    /// Applications that may submit for it from now on, behind those that may already.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub more_app_ids: Vec<AppId>,
    /// Another last day of its approval: today at the earliest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_to: Option<Day>,
}

/// Partners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartnersView {
    /// All of them, by id.
    #[schema(max_items = 65535)]
    pub partners: Vec<PartnerView>,
}

/// A partner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartnerView {
    /// Its id.
    pub id: PartnerId,
    /// Its name.
    #[schema(max_length = 64)]
    pub name: String,
    /// Whether it is suspended with all its applications.
    pub suspended: bool,
}

/// Agreements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgreementsView {
    /// All versions of all of them, by id and version.
    #[schema(max_items = 65535)]
    pub agreements: Vec<AgreementView>,
}

/// A version of an agreement, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgreementView {
    /// Its id.
    pub id: AgreementId,
    /// Whom it is for.
    pub scope: AgreementScope,
    /// Its title.
    #[schema(max_length = 128)]
    pub title: String,
    /// Its version.
    pub version: u32,
    /// From when it holds.
    pub effective: Day,
    /// BCP 47 tag.
    #[schema(max_length = 35)]
    pub language: String,
    /// SM3 of its text, hexadecimal.
    #[schema(min_length = 64, max_length = 64)]
    pub sm3: String,
}

/// Policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoliciesView {
    /// All that were ever adopted, oldest first.
    #[schema(max_items = 65535)]
    pub policies: Vec<PolicyView>,
}

/// A policy, and from when it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyView {
    /// Its effective day, or the day it was adopted where that is later: no policy rewrites the
    /// past.
    pub counts_from: Day,
    /// Whether it is the one that counts today.
    pub in_force: bool,
    /// The policy as it was adopted.
    #[schema(value_type = Object)]
    pub policy: Policy,
}
