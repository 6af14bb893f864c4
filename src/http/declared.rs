//! What was declared, as operators see it: partners, agreements, policies.

use axum::extract::State;
use carbon_protocol::contracts::declarations::{
    AgreementView, AgreementsView, PartnerView, PartnersView, PoliciesView, PolicyView,
};
use carbon_protocol::envelope::Envelope;

use super::HttpState;
use super::declaring::Nothing;
use super::exchange::{Answer, Data};
use super::operator::{Looked, Viewing};

/// All partners.
#[utoipa::path(
    get, path = "/admin/v1/partners", operation_id = "listPartners", tag = "operator",
    responses((status = 200, body = Envelope<PartnersView>)),
)]
pub async fn partners(
    State(state): State<HttpState>,
    _call: Looked<Viewing, Nothing>,
) -> Answer<PartnersView> {
    let registry = state.platform.registry();
    let partners = registry.partners().map(|partner| PartnerView {
        id: partner.id.clone(),
        name: partner.name.clone(),
        suspended: registry.is_suspended(&partner.id),
    });
    Ok(Data(PartnersView { partners: partners.collect() }))
}

/// All agreements in all their versions, without their texts: those are Z201's.
#[utoipa::path(
    get, path = "/admin/v1/agreements", operation_id = "listAgreements", tag = "operator",
    responses((status = 200, body = Envelope<AgreementsView>)),
)]
pub async fn agreements(
    State(state): State<HttpState>,
    _call: Looked<Viewing, Nothing>,
) -> Answer<AgreementsView> {
    let registry = state.platform.registry();
    let agreements = registry.all_agreements().map(|agreement| AgreementView {
        id: agreement.id.clone(),
        scope: agreement.scope.clone(),
        title: agreement.title.clone(),
        version: agreement.version,
        effective: agreement.effective,
        language: agreement.language.clone(),
        sm3: hex::encode(agreement.sm3),
    });
    Ok(Data(AgreementsView { agreements: agreements.collect() }))
}

/// All policies, oldest first, each with the day from which it counts.
#[utoipa::path(
    get, path = "/admin/v1/policies", operation_id = "listPolicies", tag = "operator",
    responses((status = 200, body = Envelope<PoliciesView>)),
)]
pub async fn policies(
    State(state): State<HttpState>,
    _call: Looked<Viewing, Nothing>,
) -> Answer<PoliciesView> {
    let (today, registry) = (state.platform.now()?.day(), state.platform.registry());
    let current = registry.policy(today).map(|policy| policy.version);
    let policies = registry.policies().iter().map(|adopted| PolicyView {
        counts_from: adopted.from,
        in_force: Some(adopted.policy.version) == current,
        policy: (*adopted.policy).clone(),
    });
    Ok(Data(PoliciesView { policies: policies.collect() }))
}
