//! The one table of routes, and the OpenAPI document that is generated from the same types.

use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use carbon_protocol::Reason;
use serde_json::Value;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::Predicate;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::exchange::{self, Compressible};
use super::fault::Fault;
use super::{
    HttpState, accounts, books, declared, declaring, dictionaries, document, feed, issuance, keys,
    m303, m401, m402, noop, operating, operators, pushes, sampling, standing, z101, z102, z201,
    z204, z301, z302, z304, z306, z501, z502, z601,
};

/// Every interface of the door.
pub(super) fn table() -> OpenApiRouter<HttpState> {
    OpenApiRouter::new()
        .routes(routes!(z101::z101))
        .routes(routes!(z102::z102))
        .routes(routes!(keys::keys))
        .routes(routes!(z201::z201))
        .routes(routes!(noop::noop))
        .routes(routes!(feed::events))
        .routes(routes!(pushes::own))
        .routes(routes!(pushes::replay_own))
        .routes(routes!(z204::z204))
        .routes(routes!(z301::z301))
        .routes(routes!(z302::z302))
        .routes(routes!(z302::z303))
        .routes(routes!(z304::z304))
        .routes(routes!(z306::z306))
        .routes(routes!(z501::z501))
        .routes(routes!(z502::z502))
        .routes(routes!(z501::z504))
        .routes(routes!(z601::z601))
        .routes(routes!(z204::m204))
        .routes(routes!(m303::m303))
        .routes(routes!(m401::m401))
        .routes(routes!(m402::m402))
        .routes(routes!(z502::m403))
        .routes(routes!(m402::m405))
        .routes(routes!(z601::m501))
        .routes(routes!(declared::partners, declaring::partners))
        .routes(routes!(declaring::suspend_partner))
        .routes(routes!(declaring::list_applications, declaring::applications))
        .routes(routes!(declaring::suspend))
        .routes(routes!(keys::list_keys, keys::add_key))
        .routes(routes!(keys::retire_key))
        .routes(routes!(declaring::list_scenes, declaring::scenes))
        .routes(routes!(declaring::list_methodologies, declaring::methodologies))
        .routes(routes!(dictionaries::list_dictionaries, dictionaries::import_dictionary))
        .routes(routes!(declaring::amend_scene))
        .routes(routes!(declared::agreements, declaring::agreements))
        .routes(routes!(declared::policies, declaring::policies))
        .routes(routes!(operators::list, operators::enrol))
        .routes(routes!(operators::rotate))
        .routes(routes!(operators::revoke))
        .routes(routes!(operators::audit))
        .routes(routes!(issuance::list, issuance::start))
        .routes(routes!(issuance::prepare))
        .routes(routes!(issuance::run))
        .routes(routes!(issuance::preview))
        .routes(routes!(issuance::approve))
        .routes(routes!(issuance::withdraw))
        .routes(routes!(operating::pushes))
        .routes(routes!(pushes::of_app))
        .routes(routes!(pushes::replay_of_app))
        .routes(routes!(sampling::start))
        .routes(routes!(sampling::qualities))
        .routes(routes!(sampling::quality))
        .routes(routes!(books::settlements))
        .routes(routes!(books::settlement_file))
        .routes(routes!(books::trial_balance))
        .routes(routes!(accounts::look_up))
        .routes(routes!(accounts::close))
        .routes(routes!(standing::healthz))
        .routes(routes!(standing::readyz))
}

/// The door, with everything around it. It brings the fallback for unknown paths, so a router that
/// is merged with it must bring none.
pub fn router(state: HttpState) -> Router {
    let (routes, document) = table().split_for_parts();
    // Written once; a document that cannot be written is an empty one, which a test would notice.
    let document = serde_json::to_vec(&document::complete(document)).unwrap_or_default();
    let document = Bytes::from(document);
    let routes = routes.route(
        "/openapi.json",
        get(async move || ([(header::CONTENT_TYPE, "application/json")], document)),
    );
    dressed(routes, state)
}

/// Routes with what is around every one of them: fallbacks, envelope, signature, and a net for
/// panics.
pub(super) fn dressed(routes: Router<HttpState>, state: HttpState) -> Router {
    routes
        .fallback(async || Fault::from(Reason::NotFound))
        .method_not_allowed_fallback(async || Fault::from(Reason::MethodNotAllowed))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(state.clone(), exchange::exchange))
        .layer(CompressionLayer::new().compress_when(Marked))
        .with_state(state)
}

/// Compresses only what a handler marked: answers with secrets beside what a caller chose are not.
#[derive(Debug, Clone, Copy)]
struct Marked;

impl Predicate for Marked {
    fn should_compress<B>(&self, response: &axum::http::Response<B>) -> bool {
        response.extensions().get::<Compressible>().is_some()
    }
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    // The panic hook has logged where it was; what it said may hold anything.
    Fault::from(Reason::Internal).into_response()
}

/// The OpenAPI document.
pub fn openapi() -> Value {
    document::complete(table().into_openapi())
}
