//! 02.Z401 开通场景查询: the names of the scenes that a citizen has lit.

use std::collections::BTreeSet;

use axum::extract::State;
use carbon_protocol::contracts::m401::{SceneNames, SceneNamesRequest};
use carbon_protocol::envelope::Envelope;

use super::exchange::{Answer, Data};
use super::ladder::{MallOnly, Signed};
use super::{HttpState, scope};

/// 02.Z401 开通场景查询: scenes that a person has lit, by name only, of whichever partner.
#[utoipa::path(
    post, path = "/api/v1/02/Z401", operation_id = "02.Z401", tag = "mall",
    request_body = SceneNamesRequest, responses((status = 200, body = Envelope<SceneNames>)),
)]
pub async fn m401(
    State(state): State<HttpState>,
    call: Signed<MallOnly, SceneNamesRequest>,
) -> Answer<SceneNames> {
    // Without the citizen's consent to this mall nothing is told (decision 14).
    let citizen = scope::visitor(&state, &call.caller, &call.body.ccid).await?;
    let registry = state.platform.registry();
    let lit = citizen
        .summary
        .scenes
        .iter()
        .filter(|scene| scene.periods.last().is_some_and(|period| period.to.is_none()));
    // A scene that is lit by way of two applications is one scene.
    let names: BTreeSet<String> =
        lit.filter_map(|view| Some(registry.scene(view.scene)?.name.clone())).collect();
    Ok(Data(SceneNames { ccid: call.body.ccid, scenes: names.into_iter().collect() }))
}
