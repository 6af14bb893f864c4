//! 01.Z302 减排量计算 and 01.Z303 减排量批量计算.

use axum::extract::State;
use carbon_protocol::contracts::z302::{ComputeRequest, Computed};
use carbon_protocol::contracts::z303::{ComputeBatchRequest, ComputedBatch, ComputedRow, ROWS};
use carbon_protocol::envelope::Envelope;

use super::exchange::{Answer, Data};
use super::ladder::{SceneOnly, Signed};
use super::{HttpState, lists, pricing};

/// 01.Z302 减排量计算: one behaviour → grams, with the methodology's version and the terms.
#[utoipa::path(
    post, path = "/api/v1/01/Z302", operation_id = "01.Z302", tag = "scene",
    request_body = ComputeRequest, responses((status = 200, body = Envelope<Computed>)),
)]
pub async fn z302(
    State(state): State<HttpState>,
    call: Signed<SceneOnly, ComputeRequest>,
) -> Answer<Computed> {
    let dictionaries = state.dictionaries.newest(&state).await?;
    let (registry, app) = (state.platform.registry(), call.caller.no());
    Ok(Data(pricing::answer(&registry, &dictionaries, app, &call.body)?))
}

/// 01.Z303 减排量批量计算: up to 500 behaviours, one verdict per row.
#[utoipa::path(
    post, path = "/api/v1/01/Z303", operation_id = "01.Z303", tag = "scene",
    request_body = ComputeBatchRequest,
    responses((status = 200, body = Envelope<ComputedBatch>)),
)]
pub async fn z303(
    State(state): State<HttpState>,
    call: Signed<SceneOnly, ComputeBatchRequest>,
) -> Answer<ComputedBatch> {
    lists::rows_within(call.body.rows.len(), ROWS, "rows")?;
    let dictionaries = state.dictionaries.newest(&state).await?;
    let (registry, app) = (state.platform.registry(), call.caller.no());
    let rows = call.body.rows.iter().map(|question| {
        match pricing::answer(&registry, &dictionaries, app, question) {
            Ok(computed) => ComputedRow { computed: Some(computed), reason: None },
            Err(no) => ComputedRow { computed: None, reason: Some(no.reason) },
        }
    });
    Ok(Data(ComputedBatch { rows: rows.collect() }))
}
