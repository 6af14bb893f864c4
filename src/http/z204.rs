//! 01.Z204 and 02.Z204 账号授权信息查询: the consents of a pseudonym to the caller, with history.

use axum::extract::State;
use carbon_actors::machines::registry::Registry;
use carbon_protocol::account::{Consent, LinkView, SceneView};
use carbon_protocol::contracts::z203::{AgreementRef, AuthorizationStatus};
use carbon_protocol::contracts::z204::{
    Authorization, Authorizations, AuthorizationsRequest, Period,
};
use carbon_protocol::envelope::Envelope;

use super::exchange::{Answer, Data};
use super::ladder::{MallOnly, SceneOnly, Signed};
use super::{HttpState, scope};

/// 01.Z204 账号授权信息查询: per scene of the caller.
#[utoipa::path(
    post, path = "/api/v1/01/Z204", operation_id = "01.Z204", tag = "scene",
    request_body = AuthorizationsRequest,
    responses((status = 200, body = Envelope<Authorizations>)),
)]
pub async fn z204(
    State(state): State<HttpState>,
    call: Signed<SceneOnly, AuthorizationsRequest>,
) -> Answer<Authorizations> {
    let citizen = scope::citizen(&state, &call.caller, &call.body.ccid).await?;
    let registry = state.platform.registry();
    let own = citizen.summary.scenes.iter().filter(|scene| scene.app == call.caller.no());
    let told = own.filter_map(|view| {
        let scene = registry.scene(view.scene)?;
        let scene = Some(scene.code.clone());
        Some(Authorization { scene, ..of_scene(&registry, view) })
    });
    Ok(Data(Authorizations { ccid: call.body.ccid, authorizations: told.collect() }))
}

/// 02.Z204 账号授权信息查询: the link to the calling mall.
#[utoipa::path(
    post, path = "/api/v1/02/Z204", operation_id = "02.Z204", tag = "mall",
    request_body = AuthorizationsRequest,
    responses((status = 200, body = Envelope<Authorizations>)),
)]
pub async fn m204(
    State(state): State<HttpState>,
    call: Signed<MallOnly, AuthorizationsRequest>,
) -> Answer<Authorizations> {
    let citizen = scope::citizen(&state, &call.caller, &call.body.ccid).await?;
    let registry = state.platform.registry();
    let authorizations = of_mall(&registry, &citizen.link).into_iter().collect();
    Ok(Data(Authorizations { ccid: call.body.ccid, authorizations }))
}

fn status(lasts: bool) -> AuthorizationStatus {
    if lasts { AuthorizationStatus::Lit } else { AuthorizationStatus::Revoked }
}

fn agreements(registry: &Registry, consents: &[Consent]) -> Vec<AgreementRef> {
    // Texts are never taken out of the registry.
    let told = consents
        .iter()
        .filter_map(|consent| Some(AgreementRef::to(registry.text(consent.text)?, consent.at)));
    told.collect()
}

fn of_scene(registry: &Registry, view: &SceneView) -> Authorization {
    let lit = view.periods.last().is_some_and(|period| period.to.is_none());
    let periods = view.periods.iter().map(|period| Period {
        from: period.from,
        to: period.to,
        agreements: agreements(registry, &period.consents),
    });
    Authorization { scene: None, status: status(lit), periods: periods.collect() }
}

/// The newest span of a mall's link; none where it never was linked.
fn of_mall(registry: &Registry, link: &LinkView) -> Option<Authorization> {
    let changed = link.mall_changed_at?;
    let consented = link.mall_consents.last().map(|consent| consent.at);
    let (from, to) = match link.mall_linked {
        true => (changed, None),
        false => (consented.unwrap_or(changed), Some(changed)),
    };
    let agreements = agreements(registry, &link.mall_consents);
    let period = Period { from, to, agreements };
    Some(Authorization { scene: None, status: status(link.mall_linked), periods: vec![period] })
}
