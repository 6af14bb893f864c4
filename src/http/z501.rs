//! 01.Z501 碳减排量账户查询 and 01.Z504 个人碳账户开通场景信息查询.

use axum::extract::State;
use carbon_protocol::contracts::z501::{SceneTotal, Totals, TotalsRequest};
use carbon_protocol::contracts::z504::{LitScene, LitScenes, LitScenesRequest};
use carbon_protocol::envelope::Envelope;

use super::exchange::{Answer, Data};
use super::ladder::{SceneOnly, Signed};
use super::{HttpState, scope};

/// 01.Z501 碳减排量账户查询: totals of a pseudonym, of the caller's records.
#[utoipa::path(
    post, path = "/api/v1/01/Z501", operation_id = "01.Z501", tag = "scene",
    request_body = TotalsRequest, responses((status = 200, body = Envelope<Totals>)),
)]
pub async fn z501(
    State(state): State<HttpState>,
    call: Signed<SceneOnly, TotalsRequest>,
) -> Answer<Totals> {
    let citizen = scope::citizen(&state, &call.caller, &call.body.ccid).await?;
    let registry = state.platform.registry();
    let own = citizen.summary.totals.iter().filter(|total| total.app == call.caller.no());
    let by_scene = own.filter_map(|total| {
        let scene = registry.scene(total.scene)?;
        Some(SceneTotal {
            scene: scene.code.clone(),
            month: total.month,
            pending_grams: total.pending,
            issued_grams: total.issued,
            voided_grams: total.voided,
            records: total.records,
        })
    });
    let by_scene: Vec<SceneTotal> = by_scene.collect();
    Ok(Data(Totals {
        ccid: call.body.ccid,
        pending_grams: by_scene.iter().map(|total| total.pending_grams).sum(),
        issued_grams: by_scene.iter().map(|total| total.issued_grams).sum(),
        voided_grams: by_scene.iter().map(|total| total.voided_grams).sum(),
        by_scene,
    }))
}

/// 01.Z504 个人碳账户开通场景信息查询: the caller's scenes that a person has lit.
#[utoipa::path(
    post, path = "/api/v1/01/Z504", operation_id = "01.Z504", tag = "scene",
    request_body = LitScenesRequest, responses((status = 200, body = Envelope<LitScenes>)),
)]
pub async fn z504(
    State(state): State<HttpState>,
    call: Signed<SceneOnly, LitScenesRequest>,
) -> Answer<LitScenes> {
    let citizen = scope::citizen(&state, &call.caller, &call.body.ccid).await?;
    let registry = state.platform.registry();
    let own = citizen.summary.scenes.iter().filter(|scene| scene.app == call.caller.no());
    let scenes = own.filter_map(|view| {
        let period = view.periods.last().filter(|period| period.to.is_none())?;
        let scene = registry.scene(view.scene)?;
        let (code, name) = (scene.code.clone(), scene.name.clone());
        Some(LitScene { scene: code, name, since: period.from })
    });
    Ok(Data(LitScenes { ccid: call.body.ccid, scenes: scenes.collect() }))
}
