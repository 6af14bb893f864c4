//! The served documentation at `/docs`: pages made of the OpenAPI document, and two quick starts.
//! No script, no outside request: a partner's firewall sees only the platform.

mod outline;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use carbon_protocol::Reason;
use serde_json::Value;

use outline::{Group, Interface};

/// What a page may load: its own style sheet.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";
/// The signer of the quick starts.
const SIGNER: &str = include_str!("../../protocol/signers/carbon-sign.sh");
const STYLE: &str = include_str!("templates/style.css");
const HTML: &str = "text/html; charset=utf-8";

/// The first page.
#[derive(Template)]
#[template(path = "overview.html", config = ".askama.toml")]
struct Overview<'d> {
    groups: &'d [Group],
    here: &'d str,
}

/// One interface.
#[derive(Template)]
#[template(path = "interface.html", config = ".askama.toml")]
struct InterfacePage<'d> {
    groups: &'d [Group],
    here: &'d str,
    one: &'d Interface,
}

/// All refusals.
#[derive(Template)]
#[template(path = "errors.html", config = ".askama.toml")]
struct Errors<'d> {
    groups: &'d [Group],
    here: &'d str,
    reasons: &'static [Reason],
}

/// How a scene partner begins.
#[derive(Template)]
#[template(path = "quick_scene.html", config = ".askama.toml")]
struct SceneStart<'d> {
    groups: &'d [Group],
    here: &'d str,
}

/// How a benefit partner begins.
#[derive(Template)]
#[template(path = "quick_mall.html", config = ".askama.toml")]
struct MallStart<'d> {
    groups: &'d [Group],
    here: &'d str,
}

/// All pages, by their path behind `/docs/`.
type Pages = BTreeMap<String, (&'static str, Bytes)>;

/// The documentation of a platform with this OpenAPI document.
pub fn router(document: &Value) -> anyhow::Result<Router> {
    let pages = Arc::new(pages(document).context("the documentation cannot be rendered")?);
    Ok(Router::new()
        .route("/docs", get(async || Redirect::permanent("/docs/")))
        .route("/docs/", get(first))
        .route("/docs/{*page}", get(shown))
        .with_state(pages))
}

fn pages(document: &Value) -> askama::Result<Pages> {
    let groups = outline::groups(document);
    let groups = groups.as_slice();
    let mut pages = Pages::new();
    let mut add = |name: &str, kind, text: String| {
        pages.insert(name.to_owned(), (kind, Bytes::from(text)));
    };
    add("", HTML, Overview { groups, here: "" }.render()?);
    let here = "errors";
    add(here, HTML, Errors { groups, here, reasons: Reason::ALL }.render()?);
    let here = "quick-start/scene";
    add(here, HTML, SceneStart { groups, here }.render()?);
    let here = "quick-start/mall";
    add(here, HTML, MallStart { groups, here }.render()?);
    for one in groups.iter().flat_map(|group| &group.interfaces) {
        add(&one.id, HTML, InterfacePage { groups, here: &one.id, one }.render()?);
    }
    add("style.css", "text/css; charset=utf-8", STYLE.to_owned());
    add("carbon-sign.sh", "text/plain; charset=utf-8", SIGNER.to_owned());
    Ok(pages)
}

async fn first(State(pages): State<Arc<Pages>>) -> Response {
    answer(&pages, "")
}

async fn shown(State(pages): State<Arc<Pages>>, Path(page): Path<String>) -> Response {
    answer(&pages, &page)
}

fn answer(pages: &Pages, page: &str) -> Response {
    let Some((kind, body)) = pages.get(page) else {
        let text = "There is no such page: see /docs/ · 没有此页面，请从 /docs/ 开始";
        return with_headers((StatusCode::NOT_FOUND, text).into_response());
    };
    with_headers(([(header::CONTENT_TYPE, *kind)], body.clone()).into_response())
}

fn with_headers(mut response: Response) -> Response {
    let fixed: [(HeaderName, &'static str); 4] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
