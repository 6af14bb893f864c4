//! For load balancers: whether the process lives, and whether it takes writes.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use carbon_actors::platform::Health;
use serde::Serialize;
use utoipa::ToSchema;

use super::HttpState;

/// That the process lives.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alive {
    /// Always.
    alive: bool,
}

/// Answers as long as the process does.
#[utoipa::path(
    get, path = "/healthz", operation_id = "healthz", tag = "standing",
    responses((status = 200, body = Alive)),
)]
pub async fn healthz() -> Json<Alive> {
    Json(Alive { alive: true })
}

/// 200 when writes are taken, else 503.
#[utoipa::path(
    get, path = "/readyz", operation_id = "readyz", tag = "standing",
    responses((status = 200, body = Object), (status = 503, body = Object)),
)]
pub async fn readyz(State(state): State<HttpState>) -> (StatusCode, Json<Health>) {
    let health = state.platform.health();
    let status = if health.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health))
}
