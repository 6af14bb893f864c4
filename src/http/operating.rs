//! The operator's look at pushes.

use axum::extract::State;
use carbon_protocol::AppId;
use carbon_protocol::contracts::admin::PushesView;
use carbon_protocol::courier::{CourierCommand, CourierReply};
use carbon_protocol::envelope::Envelope;
use serde::Deserialize;

use super::HttpState;
use super::declaring::app_of;
use super::exchange::{Answer, Data};
use super::fault::misfit;
use super::operator::{Looked, Viewing};
use super::z601::address_of;

/// Which application's pushes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PushesQuery {
    app_id: AppId,
}

/// How pushes to an application go.
#[utoipa::path(
    get, path = "/admin/v1/pushes", operation_id = "pushes", tag = "operator",
    params(("appId" = AppId, Query, description = "The application.")),
    responses((status = 200, body = Envelope<PushesView>)),
)]
pub async fn pushes(
    State(state): State<HttpState>,
    call: Looked<Viewing, PushesQuery>,
) -> Answer<PushesView> {
    let app_id = call.query.app_id;
    let app = app_of(&state, app_id.as_str(), "appId")?;
    match state.platform.courier(app, CourierCommand::Look).await? {
        CourierReply::View(lanes) => {
            Ok(Data(PushesView { app_id, kinds: lanes.iter().map(address_of).collect() }))
        }
        CourierReply::Done => misfit(),
    }
}
