//! Z201 获取许可协议: the agreements that a citizen must be shown.

use axum::extract::State;
use carbon_protocol::contracts::z201::{AgreementText, Agreements, AgreementsRequest};
use carbon_protocol::envelope::Envelope;
use carbon_protocol::registry::{AgreementScope, AppRole};
use carbon_protocol::{Reason, SceneCode};

use super::exchange::{Answer, Data};
use super::fault::Fault;
use super::ladder::{Anyone, Signed};
use super::{HttpState, lists, scope};

/// Most scenes of one request.
const SCENES: usize = 20;

/// Z201 获取许可协议: the agreements that the caller's scenes, or the mall, need today.
#[utoipa::path(
    post, path = "/api/v1/Z201", operation_id = "Z201", tag = "platform",
    request_body = AgreementsRequest, responses((status = 200, body = Envelope<Agreements>)),
)]
pub async fn z201(
    State(state): State<HttpState>,
    call: Signed<Anyone, AgreementsRequest>,
) -> Answer<Agreements> {
    let (app, today) = (&*call.caller.app, call.caller.now.day());
    let registry = state.platform.registry();
    let mut scopes = vec![AgreementScope::App(app.id.clone()), AgreementScope::Platform];
    scopes.push(AgreementScope::Matching);
    match app.role {
        AppRole::Mall if call.body.scenes.is_empty() => {
            scopes.push(AgreementScope::Mall(app.id.clone()));
        }
        AppRole::Mall => return Err(Fault::of_field(Reason::UnknownScene, "scenes[0]")),
        AppRole::Scene if call.body.scenes.is_empty() => {
            let own = registry.scenes().filter(|scene| scene.apps.contains(&app.no));
            scopes.extend(own.map(|s| AgreementScope::Scene(app.id.clone(), s.code.clone())));
        }
        AppRole::Scene => {
            lists::rows_within(call.body.scenes.len(), SCENES, "scenes")?;
            for (place, code) in call.body.scenes.iter().enumerate() {
                let own: Option<SceneCode> =
                    scope::scene(&state, app, code).map(|scene| scene.code.clone());
                let unknown = || Fault::of_field(Reason::UnknownScene, format!("scenes[{place}]"));
                let code = own.ok_or_else(unknown)?;
                scopes.push(AgreementScope::Scene(app.id.clone(), code));
            }
        }
    }
    let agreements = scopes.iter().flat_map(|scope| registry.agreements(scope, today));
    let told = agreements.map(|agreement| AgreementText {
        id: agreement.id.clone(),
        title: agreement.title.clone(),
        version: agreement.version,
        effective: agreement.effective,
        sm3: hex::encode(agreement.sm3),
        language: agreement.language.clone(),
        text: agreement.text.clone(),
    });
    Ok(Data(Agreements { agreements: told.collect() }))
}
